"""Rows 62 and 63, and ``first_ok``: several different nodes, side by side or one after another."""

from __future__ import annotations

import asyncio
import threading
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

import flowq
from tests.features import functions


class Say(flowq.Node):
    """Writes to the store what its config says, and returns an action."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared.update(self.config)
        return self.name


class Meet(flowq.Node):
    """Ends only if two of it run at the same time."""

    gate = threading.Barrier(2)

    def exec(self, prep_res: Any) -> None:
        self.gate.wait(20)


class MeetLater(flowq.Node):
    """The same in an event loop: two of it must run at the same time."""

    def prep(self, shared: Any) -> tuple[asyncio.Event, asyncio.Event]:
        mine, theirs = ("left", "right") if self.name == "left" else ("right", "left")
        return self.config[mine], self.config[theirs]

    async def exec(self, events: tuple[asyncio.Event, asyncio.Event]) -> None:
        events[0].set()
        await asyncio.wait_for(events[1].wait(), 20)


class Fails(flowq.Node):
    def exec(self, prep_res: Any) -> Any:
        raise functions.Odd(self.name)


class UntilCancelled(flowq.Node):
    """Blocks until nobody waits for it."""

    def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> None:
        tick = threading.Event()
        for _ in range(2000):
            if ctx.cancelled:
                self.config["ended"].append(self.name)
                return
            tick.wait(0.01)


class Forever(flowq.Node):
    async def exec(self, prep_res: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.config["ended"].append(self.name)


@flowq.register
class Sums(BaseModel):
    hits: Annotated[int, flowq.Add] = 0


# -- row 63: Parallel --


def test_row_063_different_nodes_run_side_by_side_and_join() -> None:
    flowq.Parallel(Meet(), Meet()).run({})


async def test_row_063_async_nodes_run_side_by_side_too() -> None:
    events = {"left": asyncio.Event(), "right": asyncio.Event()}
    branches = [MeetLater(name=name, config=events) for name in ("left", "right")]
    await flowq.Parallel(*branches).run_async({})


def test_row_063_what_the_branches_changed_is_merged_and_a_flow_goes_on_behind_them() -> None:
    inner = Say(name="inner", config={"c": 3})
    inner - "inner" >> Say(name="after", config={"d": [4]})
    both = flowq.Parallel(Say(config={"a": 1, "log": [1]}), Say(config={"b": 2, "log": [2]}), flowq.Flow(start=inner))
    both >> Say(name="end", config={"joined": True})
    shared: dict[str, Any] = {}
    assert flowq.Flow(start=both).run(shared) == "end"
    assert shared == {"a": 1, "b": 2, "c": 3, "d": [4], "log": [1, 2], "joined": True}


def test_row_063_the_node_is_given_the_actions_of_its_branches() -> None:
    class Chooses(flowq.Parallel):
        def post(self, shared: Any, prep_res: Any, exec_res: list[str]) -> str:
            return "+".join(exec_res)

    assert Chooses(Say(name="x"), Say(name="y")).run({}) == "x+y"


def test_row_063_branches_that_disagree_are_named_unless_merge_says_otherwise() -> None:
    def branches() -> list[Say]:
        return [Say(name="one", config={"n": 1}), Say(name="two", config={"n": 2})]

    with pytest.raises(flowq.MergeConflict, match="'n'") as raised:
        flowq.Parallel(*branches()).run({})
    assert "branch 0 is one and branch 1 is two" in raised.value.__notes__[-1]
    shared: dict[str, Any] = {}
    flowq.Parallel(*branches(), merge="last").run(shared)
    assert shared == {"n": 2}
    shared = {}
    flowq.Parallel(*branches(), merge={"n": flowq.Add}).run(shared)
    assert shared == {"n": 3}
    store = flowq.SharedStore(schema=Sums)
    flowq.Parallel(Say(config={"hits": 2}), Say(config={"hits": 3})).run(store)
    assert store["hits"] == 5


def test_row_063_a_branch_that_fails_ends_the_others_and_changes_nothing() -> None:
    ended: list[str] = []
    shared = {"a": 0}
    node = flowq.Parallel(Say(config={"a": 1}), Fails(name="bad"), UntilCancelled(config={"ended": ended}))
    with pytest.raises(functions.Odd, match="bad"):
        node.run(shared)
    assert (shared, ended) == ({"a": 0}, ["UntilCancelled"])


async def test_row_063_a_branch_that_fails_cancels_async_ones() -> None:
    ended: list[str] = []
    with pytest.raises(functions.Odd, match="bad"):
        await flowq.Parallel(Forever(config={"ended": ended}), Fails(name="bad")).run_async({})
    assert ended == ["Forever"]


def test_row_063_batches_of_several_branches_go_to_the_executor(executor: str) -> None:
    shared: dict[str, Any] = {"numbers": list(range(100))}
    flowq.Parallel(functions.Doubles(), functions.Squares()).run(shared)
    assert (shared["Doubles"], shared["Squares"]) == (9900, 328_350)


def test_row_063_branches_travel_and_are_drawn() -> None:
    node = flowq.Parallel(Say(name="x"), Say(name="y"), merge={"n": flowq.Add})
    twin = flowq.core.spec.build(flowq.core.spec_of(node))
    assert isinstance(twin, flowq.Parallel)
    assert [one.name for one in twin.branches] == ["x", "y"]
    assert twin.reducers == node.reducers
    assert 'subgraph n0["Parallel"]' in flowq.Flow(start=node).mermaid()


def test_row_063_what_is_no_node_is_refused() -> None:
    with pytest.raises(TypeError, match=r"flowq\.node makes one"):
        flowq.Parallel(print)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="give it some"):
        flowq.RaceNode()


# -- row 62: race --


async def after(turns: int, value: Any) -> Any:
    for _ in range(turns):
        await asyncio.sleep(0)
    if isinstance(value, Exception):
        raise value
    return value


async def test_row_062_the_first_success_wins_and_the_losers_are_cancelled() -> None:
    ended: list[str] = []

    async def loser() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("loser")

    assert await flowq.race(loser(), after(1, ValueError("first to end")), after(5, "won")) == "won"
    assert ended == ["loser"]


async def test_row_062_a_race_takes_coroutines_tasks_and_functions() -> None:
    task = asyncio.create_task(after(1, "task"))
    assert await flowq.race(asyncio.Event().wait(), task) == "task"
    assert await flowq.race(lambda: "blocking") == "blocking"
    assert await flowq.race(lambda: after(0, "made")) == "made"
    with pytest.raises(TypeError, match="RaceNode"):
        raise (await raised_by(flowq.race(Say()))).exceptions[0]  # type: ignore[arg-type]


async def test_row_062_when_nobody_succeeds_every_error_is_there() -> None:
    group = await raised_by(flowq.race(after(2, ValueError("a")), after(0, KeyError("b"))))
    assert [str(error) for error in group.exceptions] == ["a", "'b'"]
    with pytest.raises(ValueError, match="give it some"):
        await flowq.race()


async def raised_by(awaitable: Any) -> ExceptionGroup[Exception]:
    with pytest.raises(ExceptionGroup) as raised:
        await awaitable
    return raised.value


def test_row_062_a_race_of_nodes_keeps_the_winners_changes_and_follows_its_action() -> None:
    ended: list[str] = []
    race = flowq.RaceNode(UntilCancelled(config={"ended": ended}), Fails(), Say(name="quick", config={"by": "quick"}))
    race - "quick" >> Say(name="end", config={"end": True})
    shared: dict[str, Any] = {}
    assert flowq.Flow(start=race).run(shared) == "end"
    assert shared == {"by": "quick", "end": True}
    with pytest.raises(ExceptionGroup, match="none of 2 succeeded"):
        flowq.RaceNode(Fails(), Fails()).run({})


async def test_row_062_async_losers_are_cancelled() -> None:
    ended: list[str] = []
    race = flowq.RaceNode(Forever(config={"ended": ended}), Say(name="quick"))
    assert await race.run_async({}) == "quick"
    assert ended == ["Forever"]


# -- first_ok --


class Default(flowq.Node):
    """The last resort: says what went wrong before it."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["errors"] = [str(error) for error in self.params["previous_errors"]]


@pytest.mark.parametrize("in_loop", [False, True])
async def test_row_027_nodes_are_tried_in_order_until_one_ends_well(in_loop: bool) -> None:
    chain = flowq.first_ok(Fails(name="best"), Fails(name="cheap"), Default(), Say(config={"too": "late"}))
    shared: dict[str, Any] = {}
    if in_loop:
        await chain.run_async(shared)
    else:
        chain.run(shared)
    assert shared == {"errors": ["best", "cheap"]}
    with pytest.raises(ExceptionGroup, match="none of 2 succeeded"):
        flowq.first_ok(Fails(), Fails()).run({})


def test_row_027_what_a_failed_node_wrote_is_gone_and_retries_are_its_own() -> None:
    class WritesThenFails(flowq.Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["half"] = True
            raise functions.Odd

    shared: dict[str, Any] = {}
    assert flowq.first_ok(WritesThenFails(), Say(name="whole")).run(shared) == "whole"
    assert shared == {}
