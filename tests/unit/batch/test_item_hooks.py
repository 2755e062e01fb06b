"""Hooks and events of items, in this process."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

import flowq
from flowq import Event


class Flaky(flowq.ParallelBatchNode[int, int]):
    """Item n fails on its first n tries; item 3 falls back, item 4 fails for good."""

    def prep(self, shared: Any) -> range:
        return range(5)

    def key_of(self, item: int) -> str:  # type: ignore[override]
        return f"key {item}"

    def exec(self, item: int) -> int:
        if self.cur_retry < item:
            raise ValueError(f"{item} at {self.cur_retry}")
        return item * 10

    def exec_fallback(self, item: int, exc: Exception) -> int:
        if item == 4:
            raise exc
        return -1


class AsyncFlaky(Flaky):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        return Flaky.exec(self, item)


class ManyFlaky(Flaky):
    """All items in one call; those that are through answer, the others fail."""

    def exec_many(self, items: list[int], *, ctx: flowq.ItemContext) -> list[Any]:
        return [ValueError(f"{n} at {ctx.attempt}") if ctx.attempt < n else n * 10 for n in items]


EXPECTED = {
    0: ["start", "end 0 0 None"],
    1: ["start", "retry 0 '1 at 0'", "end 1 10 None"],
    2: ["start", "retry 0 '2 at 0'", "retry 1 '2 at 1'", "end 2 20 None"],
    3: ["start", "retry 0 '3 at 0'", "retry 1 '3 at 1'", "end 2 -1 '3 at 2'"],
    4: ["start", "retry 0 '4 at 0'", "retry 1 '4 at 1'", "error 2 '4 at 2'"],
}


def described(event: Event) -> str:
    what = event.kind.removeprefix("item_")
    error = None if event.error is None else repr(str(event.error))
    return {
        "start": what,
        "retry": f"{what} {event.attempt} {error}",
        "end": f"{what} {event.attempt} {event.result} {error}",
        "error": f"{what} {event.attempt} {error}",
    }[what]


@pytest.mark.parametrize("kind", [Flaky, AsyncFlaky, ManyFlaky])
@pytest.mark.parametrize("options", [{}, {"concurrency": 3}, {"in_flight": 3}])
@pytest.mark.parametrize("where", ["node", "flow"])
def test_a_hook_is_told_of_every_item(kind: type[Flaky], options: dict[str, Any], where: str) -> None:
    events: list[Event] = []
    if where == "node":
        node = kind(max_retries=3, on_error="collect", hooks=[events.append], **options)
        node.map(range(5))
    else:
        flow = flowq.Flow(start=kind(max_retries=3, on_error="collect", **options), hooks=[events.append])
        flow.run({})
        assert {event.path for event in events} == {"Flow", f"Flow/{kind.__name__}"}
    of_items = [event for event in events if event.kind.startswith("item")]
    told = {index: [described(event) for event in of_items if event.item_index == index] for index in range(5)}
    assert told == EXPECTED
    assert {event.item_key for event in of_items if event.kind != "item_error"} == {f"key {n}" for n in range(5)}


def test_a_batch_whose_hooks_ask_for_no_items_keeps_the_tight_loop() -> None:
    class Nodes(flowq.Hook):
        def on_node_end(self, event: Event) -> None: ...

    from flowq.batch.running.runner import Runner
    from flowq.batch.running.tries import Tries

    node = flowq.parallel_batch_node(hooks=[Nodes])(lambda item: item)
    assert type(Runner(node, node.policy())._tries) is Tries


class Count(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[f"n{self.params['n']}"] = True


class All(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(2)]


def test_nodes_within_an_item_of_a_batch_flow_say_which_item() -> None:
    events: list[Event] = []
    flowq.Flow(start=All(start=Count()), hooks=[events.append]).run({})
    assert [(event.kind, event.path, event.item_index) for event in events if event.item_index is not None] == [
        (kind, path, index)
        for index in range(2)
        for kind, path in [
            ("item_start", "Flow/All"),
            ("node_start", "Flow/All/Count"),
            ("node_end", "Flow/All/Count"),
            ("item_end", "Flow/All"),
        ]
    ]


@pytest.mark.parametrize("options", [{}, {"concurrency": 2}])
def test_a_stream_that_is_left_ends_the_batch_before_its_next_item(options: dict[str, Any]) -> None:
    ran = []

    class Slow(flowq.BatchNode[int, None]):
        def prep(self, shared: Any) -> range:
            return range(1000)

        def exec(self, item: int) -> None:
            ran.append(item)
            time.sleep(0.01)

    for event in flowq.Flow(start=Slow(**options)).stream({}):
        if event.kind == "item_end":
            break
    assert len(ran) < 100
