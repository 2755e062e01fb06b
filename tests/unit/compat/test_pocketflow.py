"""flowq.compat.pocketflow beside PocketFlow itself: the same programs, the same observations; and its bugs, fixed."""

from __future__ import annotations

import asyncio
import time
import warnings
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pocketflow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flowq
from flowq.compat import pocketflow as compat
from tests.peak import Peak
from tests.unit.compat.pocketflow_programs import PROGRAMS, Seen

Program = Callable[[ModuleType], Seen]


def observed(program: Program, pf: ModuleType) -> tuple[Seen, list[str]]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        seen = program(pf)
    return seen, [f"{one.category.__name__}: {one.message}" for one in caught]


@pytest.mark.parametrize("program", [pytest.param(one, id=one.__name__) for one in PROGRAMS])
def test_a_program_of_pocketflow_does_the_same_here(program: Program) -> None:
    assert observed(program, compat) == observed(program, pocketflow)


def test_the_eleven_names_are_all_there_is() -> None:
    theirs = {name for name in vars(pocketflow) if name[0].isupper()}
    assert set(compat.__all__) == theirs
    assert len(theirs) == 11
    assert all(issubclass(getattr(compat, name), flowq.Node) for name in theirs)


def test_an_import_of_one_that_flowq_calls_otherwise_is_told_where_it_is() -> None:
    elsewhere = {name for name in compat.__all__ if name not in flowq.__all__}
    assert len(elsewhere) == 7
    for name in elsewhere:
        with pytest.raises(
            ImportError, match=rf"`from flowq.compat.pocketflow import {name}`; .* class is flowq\.\w+,"
        ):
            exec(f"from flowq import {name}")


graphs = st.lists(
    st.lists(st.tuples(st.sampled_from(["default", "a", "b", "c"]), st.integers(0, 4)), max_size=3),
    min_size=5,
    max_size=5,
)
actions = st.lists(st.sampled_from([None, "", "default", "a", "b", "c", "nowhere"]), min_size=5, max_size=5)


@settings(max_examples=200, deadline=None)
@given(edges=graphs, returned=actions, is_async=st.booleans(), fails=st.sets(st.integers(0, 4), max_size=2))
def test_random_graphs_walk_the_same_way(
    edges: list[list[tuple[str, int]]], returned: list[str | None], is_async: bool, fails: set[int]
) -> None:
    def walk(pf: ModuleType) -> Seen:
        class Step(pf.Node):
            number = 0

            def exec(self, prep_res: Any) -> int:
                if self.number in fails and self.cur_retry == 0:
                    raise ValueError
                return self.cur_retry

            def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
                shared.append((self.number, exec_res))
                return returned[self.number] if len(shared) < 12 else "stop"

        class AsyncStep(pf.AsyncNode):
            number = 0

            async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
                shared.append((self.number, 0))
                return returned[self.number] if len(shared) < 12 else "stop"

        nodes = [(AsyncStep if is_async and number % 2 else Step)(max_retries=2) for number in range(5)]
        for number, node in enumerate(nodes):
            node.number = number
            for action, target in edges[number]:
                node - action >> nodes[target]
        shared: list[Any] = []
        if is_async:
            action = asyncio.run(pf.AsyncFlow(start=nodes[0]).run_async(shared))
        else:
            action = pf.Flow(start=nodes[0]).run(shared)
        return {"action": action, "shared": shared}

    assert observed(walk, compat) == observed(walk, pocketflow)


# -- PocketFlow's own bugs, which are not copied -----------------------------------------------------------------------


class Flaky(compat.AsyncParallelBatchNode):
    """Item n fails on its first n tries; where PocketFlow counts tries on the node, items take each other's."""

    async def prep_async(self, shared: Any) -> range:
        return range(4)

    async def exec_async(self, item: int) -> tuple[int, int]:
        await asyncio.sleep(0.001 * (4 - item))
        if self.cur_retry < item:
            raise ValueError(item)
        return item, self.cur_retry

    async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["out"] = exec_res


async def test_parallel_items_do_not_take_each_others_tries() -> None:
    shared: dict[str, Any] = {}
    await Flaky(max_retries=4).run_async(shared)
    assert shared["out"] == [(0, 0), (1, 1), (2, 2), (3, 3)]


async def test_parallel_items_run_side_by_side_without_a_bound() -> None:
    peak = Peak()

    class Sleeps(compat.AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> range:
            return range(shared["n"])

        async def exec_async(self, item: int) -> None:
            with peak:
                await asyncio.sleep(0.1)

    async def took_s() -> float:
        began = time.perf_counter()
        await Sleeps().run_async({"n": 5})
        return time.perf_counter() - began

    # The best of three: others use this machine, too.
    assert min([await took_s() for _ in range(3)]) < 0.2
    await Sleeps().run_async({"n": 500})
    assert peak.most == 500


@pytest.mark.parametrize("kind", ["node", "flow"])
async def test_the_first_error_cancels_the_siblings_and_waits_for_them(kind: str) -> None:
    log: list[Any] = []

    async def work(n: int) -> None:
        try:
            await asyncio.sleep(0.001 if n == 1 else 60)
        except asyncio.CancelledError:
            log.append(("cancelled", n))
            raise
        raise KeyError("the first")

    class Node(compat.AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> range:
            return range(3)

        async def exec_async(self, item: int) -> None:
            await work(item)

    class Step(compat.AsyncNode):
        async def exec_async(self, prep_res: Any) -> None:
            await work(self.params["n"])

    class Flow(compat.AsyncParallelBatchFlow):
        async def prep_async(self, shared: Any) -> list[dict[str, int]]:
            return [{"n": n} for n in range(3)]

    node = Node() if kind == "node" else Flow(start=Step())
    with pytest.raises(KeyError, match="the first"):
        await node.run_async({})
    assert sorted(log) == [("cancelled", 0), ("cancelled", 2)]


@pytest.mark.parametrize("kind", [compat.AsyncBatchNode, compat.AsyncParallelBatchNode])
async def test_no_items_are_no_error_in_async_classes(kind: type[compat.AsyncNode]) -> None:
    class Nothing(kind):  # type: ignore[misc, valid-type]
        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["out"] = (prep_res, exec_res)

    shared: dict[str, Any] = {}
    await Nothing().run_async(shared)
    assert shared["out"] == (None, [])


def test_an_async_flow_of_sync_nodes_is_not_run_without_its_prep_and_post() -> None:
    with pytest.raises(RuntimeError, match=r"^Use run_async\.$"):
        compat.AsyncFlow(start=compat.Node()).run({})


def test_an_edge_to_none_ends_the_flow_without_a_warning() -> None:
    class Ends(compat.Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return "end"

    node = Ends()
    assert (node - "end" >> None) is None
    assert observed(lambda pf: {"action": compat.Flow(node).run({})}, compat) == ({"action": "end"}, [])


async def test_an_error_says_which_item_and_which_try() -> None:
    class Fails(compat.AsyncParallelBatchNode):
        async def prep_async(self, shared: Any) -> list[int]:
            return [7]

        async def exec_async(self, item: int) -> None:
            raise ValueError(item)

    with pytest.raises(ValueError, match="7") as caught:
        await Fails(max_retries=2).run_async({})
    assert caught.value.__notes__ == ["in node Fails, item 0, attempt 2"]


# -- beside flowq's own classes ----------------------------------------------------------------------------------------


class Words(flowq.ParallelBatchNode[str, int]):
    """A BatchNode after the one-line step to workers."""

    def prep(self, shared: Any) -> Any:
        return shared["words"]

    def exec(self, item: str) -> int:
        return len(item)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["lengths"] = list(exec_res)


async def test_flowqs_own_nodes_run_in_compat_flows_and_the_other_way_round() -> None:
    class Reads(compat.Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["words"] = ["a", "bb"]

    class Notes(compat.AsyncNode):
        async def post_async(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["sum"] = sum(shared["lengths"])

    reads = Reads()
    reads >> Words() >> Notes()
    for flow in (compat.AsyncFlow(start=reads), flowq.Flow(start=reads)):
        shared: dict[str, Any] = {}
        await flow.run_async(shared)
        assert shared["sum"] == 3


def test_a_compat_flow_can_be_looked_at_and_stepped_through() -> None:
    a, b = compat.Node(), compat.Node()
    a >> b
    flow = compat.Flow(start=a)
    assert flow.check() == []
    assert [type(step.node) for step in flow.iter({})] == [compat.Node, compat.Node]
    assert "-->" in flow.mermaid()
