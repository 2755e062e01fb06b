"""Nodes of which nobody asks anything beyond their three methods are visited in one go; nobody can tell that."""

from __future__ import annotations

import asyncio
import traceback
from typing import Any

import pytest

from flowq import Flow, FlowError, Node
from flowq.core.hooks import Hook
from flowq.errors import UnknownAction


class Add(Node):
    def prep(self, shared: Any) -> int:
        return shared["n"]

    def exec(self, prep_res: int) -> int:
        return prep_res + self.params.get("by", 1)

    def post(self, shared: Any, prep_res: int, exec_res: int) -> str | None:
        shared["n"] = exec_res
        self.seen = exec_res
        return "again" if exec_res < shared.get("upto", 0) else None


class AsyncAdd(Add):
    async def exec(self, prep_res: int) -> int:
        await asyncio.sleep(0)
        return prep_res + 1


class Flaky(Node):
    def exec(self, prep_res: Any) -> int:
        if self.cur_retry < 2:
            raise ValueError(f"try {self.cur_retry}")
        return self.cur_retry

    def post(self, shared: Any, prep_res: Any, exec_res: int) -> None:
        shared["tries"] = exec_res


class Mended(Node):
    def exec(self, prep_res: Any) -> Any:
        raise ValueError("no")

    def exec_fallback(self, prep_res: Any, exc: Exception) -> str:
        return str(exc)

    def post(self, shared: Any, prep_res: Any, exec_res: str) -> None:
        shared["mended"] = exec_res


class Listening(Hook):
    def on_node_start(self, event: Any) -> None:
        pass


class Later(Node):
    def exec(self, prep_res: Any) -> Any:
        return asyncio.sleep(0, "later")


def loop_of(cls: type[Node], **options: Any) -> Flow:
    node = cls(**options)
    node - "again" >> node
    return Flow(node)


@pytest.mark.parametrize("cls", [Add, AsyncAdd])
@pytest.mark.parametrize("heard", [False, True])
def test_a_loop_ends_where_it_says_whoever_listens(cls: type[Node], heard: bool) -> None:
    shared = {"n": 0, "upto": 5}
    flow = loop_of(cls)
    if heard:
        flow.listen([Listening()])
    with pytest.warns(UserWarning, match="Flow ends: 'None' not found in"):
        assert flow.run(shared) is None
    assert shared["n"] == 5
    assert not hasattr(flow.start_node, "seen"), "what a visit sets on itself ends with it"


@pytest.mark.parametrize("in_loop", [False, True])
def test_a_first_try_that_fails_is_followed_by_the_others(in_loop: bool) -> None:
    shared: dict[str, Any] = {}
    flow = Flow(Flaky(max_retries=3))
    flow.start_node >> Mended()  # type: ignore[operator]
    if in_loop:
        asyncio.run(flow.run_async(shared))
    else:
        flow.run(shared)
    assert shared == {"tries": 2, "mended": "no"}


@pytest.mark.parametrize("in_loop", [False, True])
def test_the_last_failure_says_which_node_and_has_no_other_one_as_its_context(in_loop: bool) -> None:
    flow = Flow(Flaky(max_retries=2, name="Shaky"))
    with pytest.raises(ValueError, match="try 1") as caught:
        asyncio.run(flow.run_async({})) if in_loop else flow.run({})
    assert any("Shaky" in note for note in caught.value.__notes__)
    assert caught.value.__context__ is None
    assert traceback.extract_tb(caught.tb)[-1].name == "exec"


def test_what_waits_to_be_awaited_is_refused_in_a_blocking_run_and_awaited_in_a_loop() -> None:
    with pytest.raises(FlowError, match="returned an awaitable"):
        Flow(Later()).run({})
    asyncio.run(Flow(Later()).run_async({}))


def test_a_method_that_became_async_after_its_class_was_made_is_seen() -> None:
    async def exec_async(prep_res: int) -> int:
        await asyncio.sleep(0)
        return prep_res + 10

    node = Add()
    node.exec = exec_async  # type: ignore[method-assign, assignment]
    shared = {"n": 0}
    assert node.has_async()
    Flow(node).run(shared)
    assert shared["n"] == 10


def test_params_predicates_and_limits_hold() -> None:
    first, second, third = Add(), Add(), Add()
    first >> second
    first.when(lambda shared: shared["n"] == 3, third)
    flow = Flow(first, strict=True)
    flow.set_params({"by": 3})
    shared = {"n": 0}
    flow.run(shared)
    assert shared["n"] == 6
    around = loop_of(Add)
    around.max_steps = 3
    with pytest.raises(FlowError, match="max_steps"):
        around.run({"n": 0, "upto": 9})
    around.strict = True
    with pytest.raises(UnknownAction):
        around.run({"n": 0})


def test_flows_that_are_not_tried_again_nest_like_any_other() -> None:
    inner = Flow(Add())
    inner >> Add()
    shared = {"n": 0}
    Flow(inner, max_retries=2).run(shared)
    Flow(Flow(inner)).run(shared)
    assert shared["n"] == 4
