"""``python -m benchmarks.local_flow``: a linear flow and a BatchNode in one process, beside PocketFlow's.

The same bodies in both, as small as they come: what is measured is what a framework adds. Never here: workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import flowq
from benchmarks.comparison import Cell, Comparison
from benchmarks.own import interleaved, keep

NODES = 10
WALKS = 500
ITEMS = 50_000
ROUNDS = 9


class Step:
    """One transition: reads the store, computes, writes the store."""

    def prep(self, shared: Any) -> Any:
        return shared["n"]

    def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = exec_res


class Items:
    """Many items, each of them one addition."""

    def prep(self, shared: Any) -> Any:
        return range(ITEMS)

    def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = len(exec_res)


class AsyncStep(Step):
    """:class:`Step` as coroutines."""

    async def prep(self, shared: Any) -> Any:
        return shared["n"]

    async def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = exec_res


class AsyncItems(Items):
    """:class:`Items` as coroutines."""

    async def prep(self, shared: Any) -> Any:
        return range(ITEMS)

    async def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = len(exec_res)


class OurStep(Step, flowq.Node):
    pass


class OurAsyncStep(AsyncStep, flowq.Node):
    pass


class OurItems(Items, flowq.BatchNode):
    pass


class OurAsyncItems(AsyncItems, flowq.BatchNode):
    pass


def chain(flow: Any, node: Any) -> Any:
    """A flow of ten such nodes in a line."""
    first = last = node()
    for _ in range(NODES - 1):
        last = last >> node()
    return flow(start=first)


def named_async(base: Any, body: type[Any]) -> Any:
    """A class for PocketFlow, which calls coroutines by other names."""
    last = {f"{name}_async": getattr(body, name) for name in ("prep", "exec", "post")}
    return type(body.__name__, (base,), last)


def walks(flow: Any) -> Callable[[], None]:
    """Run *flow* some hundred times."""

    def run() -> None:
        for _ in range(WALKS):
            shared = {"n": 0}
            flow.run(shared)
            assert shared["n"] == NODES

    return run


def walks_async(flow: Any) -> Callable[[], None]:
    """Run *flow* some hundred times in one event loop."""

    async def all_of_them() -> None:
        for _ in range(WALKS):
            shared = {"n": 0}
            await flow.run_async(shared)
            assert shared["n"] == NODES

    return lambda: asyncio.run(all_of_them())


def batch(node: Any) -> Callable[[], None]:
    def run() -> None:
        shared: dict[str, int] = {}
        node.run(shared)
        assert shared["n"] == ITEMS

    return run


def batch_async(node: Any) -> Callable[[], None]:
    def run() -> None:
        shared: dict[str, int] = {}
        asyncio.run(node.run_async(shared))
        assert shared["n"] == ITEMS

    return run


def compare(rounds: int = ROUNDS) -> Iterator[Comparison]:
    """Seconds for one transition and one item. All in turn, so that each saw the same machine."""
    import pocketflow

    seconds = interleaved(
        {
            "flow": walks(chain(flowq.Flow, OurStep)),
            "pocketflow.Flow": walks(chain(pocketflow.Flow, type("Step", (Step, pocketflow.Node), {}))),
            "async flow": walks_async(chain(flowq.Flow, OurAsyncStep)),
            "pocketflow.AsyncFlow": walks_async(
                chain(pocketflow.AsyncFlow, named_async(pocketflow.AsyncNode, AsyncStep))
            ),
            "batch": batch(OurItems()),
            "pocketflow.BatchNode": batch(type("Items", (Items, pocketflow.BatchNode), {})()),
            "async batch": batch_async(OurAsyncItems()),
            "pocketflow.AsyncBatchNode": batch_async(named_async(pocketflow.AsyncBatchNode, AsyncItems)()),
            "async parallel batch": batch_async(OurAsyncItems(concurrency=100)),
            "pocketflow.AsyncParallelBatchNode": batch_async(
                named_async(pocketflow.AsyncParallelBatchNode, AsyncItems)()
            ),
        },
        rounds,
    )
    steps, items = WALKS * NODES, ITEMS
    compared = [
        ("flow-sync", "one transition of a linear flow, sync", "flow", "pocketflow.Flow", steps),
        ("flow-async", "one transition of a linear flow, async", "async flow", "pocketflow.AsyncFlow", steps),
        ("item-sync", "one item of a BatchNode, sync", "batch", "pocketflow.BatchNode", items),
        ("item-async", "one item of a BatchNode, async", "async batch", "pocketflow.AsyncBatchNode", items),
        ("item-parallel", "one item, async, 100 at a time; PocketFlow's all at once", "async parallel batch",
         "pocketflow.AsyncParallelBatchNode", items),
    ]  # fmt: skip
    for key, what, ours, theirs, count in compared:
        yield Comparison(
            f"W7-{key}", what, "pocketflow", "", name=theirs,
            flowq=Cell("flowq", tuple(value / count for value in seconds[ours])),
            other=Cell(theirs, tuple(value / count for value in seconds[theirs])),
        )  # fmt: skip


if __name__ == "__main__":
    keep("local_flow", compare())
