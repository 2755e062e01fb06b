"""Flows: the walk, its ends, nesting, loops and what can be read off a graph."""

from __future__ import annotations

import asyncio
import warnings
from typing import Any

import pytest

from flowq.core import Flow, ItemContext, Node
from flowq.errors import FlowError, ItemTimeout, LoopRunning, UnknownAction


class Add(Node):
    def __init__(self, n: int = 1, action: str | None = None, name: str | None = None) -> None:
        super().__init__(name=name)
        self.n = n
        self.action = action

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] += self.n
        return self.action


class AsyncAdd(Add):
    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        await asyncio.sleep(0)
        return super().post(shared, prep_res, exec_res)


class UpTo(Add):
    """Adds 1 and returns "again" until the limit is reached."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] += 1
        return "again" if shared["n"] < shared["limit"] else None


def loop(cls: type[Add] = UpTo) -> Flow:
    node = cls()
    node - "again" >> node
    node >> Node()
    return Flow(node)


def test_a_flow_follows_default_and_named_actions_and_returns_the_last_one() -> None:
    a, b, c = Add(1, "x"), Add(10), Add(100, "end")
    a >> b
    a - "x" >> c
    shared = {"n": 0}
    assert Flow(a).run(shared) == "end"
    assert shared["n"] == 101


@pytest.mark.parametrize("action", [None, "", "default"])
def test_none_and_the_empty_string_mean_the_default_edge(action: str | None) -> None:
    a, b = Add(1, action), Add(10)
    a >> b
    shared = {"n": 0}
    Flow(a).run(shared)
    assert shared["n"] == 11


def test_start_returns_the_node_and_an_empty_flow_does_nothing() -> None:
    flow = Flow()
    assert flow.run({}) is None
    node = Add()
    assert flow.start(node) is node
    assert flow.start_node is node


def test_an_unknown_action_ends_the_flow_with_pocketflows_warning() -> None:
    a = Add(1, "x")
    a >> Add()
    with pytest.warns(UserWarning, match=r"^Flow ends: 'x' not found in \['default'\]$"):
        assert Flow(a).run({"n": 0}) == "x"


def test_a_leaf_ends_the_flow_silently_whatever_it_returns() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert Flow(Add(1, "x"), strict=True).run({"n": 0}) == "x"


def test_an_unknown_action_is_an_error_under_strict() -> None:
    a = Add(1, "x", name="first")
    a - "ok" >> Add()
    with pytest.raises(UnknownAction, match=r"first returned the action 'x', which is not among \['ok'\]") as caught:
        Flow(a, strict=True).run({"n": 0})
    assert (caught.value.node, caught.value.action, caught.value.known) == ("first", "x", ("ok",))


def test_each_visit_runs_a_copy() -> None:
    class Counting(Add):
        visits = 0

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            self.visits += 1
            shared["n"] += 1
            assert self.visits == 1
            return "again" if shared["n"] < 3 else "stop"

    node = Counting()
    node - "again" >> node
    node - "stop" >> Node()
    Flow(node).run({"n": 0})
    assert node.visits == 0


def test_a_flow_pushes_its_params_onto_every_node_it_visits() -> None:
    seen: list[dict[str, Any]] = []

    class Reading(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            seen.append(self.params)

    a, b = Reading(), Reading()
    a.set_params({"own": 1})
    inner = Flow(a)
    inner >> b
    outer = Flow(inner)
    outer.set_params({"file": "x"})
    outer.run({})
    assert seen == [{"file": "x"}, {"file": "x"}]
    assert a.params == {"own": 1}


def test_a_walk_may_be_given_other_params() -> None:
    class Reading(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
            return str(self.params["file"])

    from flowq.core import drive

    assert drive(Flow(Reading()).walk({}, {"file": "y"})) == "y"


def test_a_nested_flow_is_a_node_whose_last_action_routes_the_outer_one() -> None:
    inner = Flow(Add(1, "high"))
    low, high = Add(10), Add(100)
    inner - "low" >> low
    inner - "high" >> high
    shared = {"n": 0}
    Flow(inner).run(shared)
    assert shared["n"] == 101


def test_a_flows_own_prep_and_post_surround_the_walk() -> None:
    class Wrapped(Flow):
        def prep(self, shared: Any) -> str:
            shared["n"] += 1000
            return "prepared"

        def post(self, shared: Any, prep_res: Any, exec_res: Any, *, ctx: ItemContext) -> str:
            return f"{prep_res}, last action {exec_res}, in {ctx.node}"

    shared = {"n": 0}
    assert Wrapped(Add(1, "x")).run(shared) == "prepared, last action x, in Wrapped"
    assert shared["n"] == 1001


@pytest.mark.parametrize("cls", [Add, AsyncAdd])
def test_a_chain_of_thousands_does_not_recurse(cls: type[Add]) -> None:
    start = node = cls()
    for _ in range(2999):
        node = node >> Add() if cls is Add else node >> cls()
    flow = Flow(start)
    shared = {"n": 0}
    flow.run(shared)
    assert shared["n"] == 3000
    assert len(flow.nodes()) == 3000
    assert flow.spec().content_hash()
    assert flow.mermaid().count("-->") == 2999


def test_a_long_loop_does_not_recurse() -> None:
    shared = {"n": 0, "limit": 20_000}
    loop().run(shared)
    assert shared["n"] == 20_000


def test_flows_nest_deeply() -> None:
    flow = Flow(Add())
    for _ in range(100):
        flow = Flow(flow)
    shared = {"n": 0}
    flow.run(shared)
    assert shared["n"] == 1


def test_a_flow_may_stand_in_its_own_loop() -> None:
    node = UpTo()
    flow = Flow(node, name="self")
    end = node >> Node()
    node - "again" >> flow
    shared = {"n": 0, "limit": 5}
    flow.run(shared)
    assert shared["n"] == 5
    assert flow.nodes() == [node, end, flow]
    assert not flow.has_async()
    assert flow.check() == []
    assert 'subgraph n2["self"]' in flow.mermaid()


def test_max_steps_stops_a_loop_that_never_ends_and_names_the_node() -> None:
    node = Add(1, "again", name="spinner")
    node - "again" >> node
    shared = {"n": 0}
    with pytest.raises(FlowError, match="has visited 7 nodes, its max_steps, and would go on to spinner"):
        Flow(node, max_steps=7).run(shared)
    assert shared["n"] == 7


def test_max_steps_allows_exactly_that_many() -> None:
    assert Flow(Add(), max_steps=1).run({"n": 0}) is None
    with pytest.raises(ValueError, match="max_steps"):
        Flow(max_steps=0)


def test_predicates_are_asked_in_order_before_the_default_edge() -> None:
    def run(n: int) -> int:
        a = Add(0)
        a.when(lambda shared: shared["n"] > 100, Add(1))
        a.when(lambda shared: shared["n"] > 10, Add(2))
        a >> Add(3)
        shared = {"n": n}
        Flow(a).run(shared)
        return shared["n"] - n

    assert [run(1000), run(50), run(5)] == [1, 2, 3]


def test_a_named_action_goes_past_the_predicates() -> None:
    a = Add(1, "x")
    a.when(lambda shared: True, Add(1000))
    a - "x" >> Add(10)
    shared = {"n": 0}
    Flow(a).run(shared)
    assert shared["n"] == 11


def test_predicates_that_all_fail_end_the_flow_with_a_warning_that_names_them() -> None:
    def is_big(shared: Any) -> bool:
        return False

    a = Add()
    a.when(is_big, Add())
    with pytest.warns(UserWarning, match=r"Flow ends: 'None' not found in \['when is_big'\]"):
        Flow(a).run({"n": 0})


def test_an_async_predicate_is_refused() -> None:
    async def slow(shared: Any) -> bool:
        return True

    with pytest.raises(TypeError, match="plain function"):
        Node().when(slow, Node())


def test_connect_wires_and_chains() -> None:
    a, b, c = Add(1, "x"), Add(10, "y"), Add(100)
    flow = Flow(a).connect(a, "x", b).connect(b, "y", c)
    shared = {"n": 0}
    flow.run(shared)
    assert shared["n"] == 111


def test_the_failing_node_is_named_once_and_the_flows_around_it_are_not() -> None:
    class Broken(Node):
        def exec(self, prep_res: Any) -> None:
            raise ValueError

    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Flow(Flow(Broken())).run({})
    assert caught.value.__notes__ == ["in node Broken, attempt 1"]


def test_a_flow_with_retries_walks_again_from_the_start_and_may_fall_back() -> None:
    class Flaky(Add):
        def exec(self, prep_res: Any) -> None:
            raise ValueError

    class Patient(Flow):
        def exec_fallback(self, prep_res: Any, exc: Exception) -> str:
            return "gave up"

    first = Add()
    first >> Flaky()
    shared = {"n": 0}
    assert Patient(first, max_retries=3).run(shared) == "gave up"
    assert shared["n"] == 3


def test_the_try_of_an_outer_flow_is_not_taken_for_that_of_an_inner_node() -> None:
    seen: list[int] = []

    class Inner(Node):
        def exec(self, prep_res: Any) -> None:
            seen.append(self.cur_retry)
            if len(seen) < 3:
                raise ValueError

    Flow(Inner(), max_retries=3).run({})
    assert seen == [0, 0, 0]


# -- async -------------------------------------------------------------------------------------------------------------


def test_one_async_node_anywhere_makes_run_drive_a_loop() -> None:
    a = Add()
    a >> Flow(AsyncAdd())
    flow = Flow(a)
    assert flow.has_async()
    shared = {"n": 0}
    flow.run(shared)
    assert shared["n"] == 2


async def test_run_in_a_running_loop_needs_no_async_for_sync_flows_and_refuses_async_ones() -> None:
    shared = {"n": 0}
    Flow(Add()).run(shared)
    assert shared["n"] == 1
    with pytest.raises(LoopRunning):
        Flow(AsyncAdd()).run({"n": 0})
    await Flow(AsyncAdd()).run_async(shared)
    assert shared["n"] == 2


async def test_a_flow_of_sync_nodes_runs_async_as_well() -> None:
    shared = {"n": 0, "limit": 5}
    await loop().run_async(shared)
    assert shared["n"] == 5


async def test_a_timeout_of_a_flow_bounds_an_async_walk() -> None:
    class Stuck(Node):
        async def exec(self, prep_res: Any) -> None:
            await asyncio.Event().wait()

    with pytest.raises(ItemTimeout):
        await Flow(Stuck(), timeout=0.01).run_async({})


# -- iter --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", [Add, AsyncAdd])
def test_iter_yields_after_each_node_and_lets_the_store_be_changed_between(cls: type[Add]) -> None:
    a, b = cls(1, "x"), cls(10)
    a - "x" >> b
    shared = {"n": 0}
    steps = []
    for step in Flow(a).iter(shared):
        steps.append((type(step.node), step.action, shared["n"]))
        shared["n"] += 1000
    assert steps == [(cls, "x", 1), (cls, None, 1011)]


def test_iter_runs_the_flows_own_prep_and_post() -> None:
    calls: list[Any] = []

    class Wrapped(Flow):
        def prep(self, shared: Any) -> str:
            calls.append("prep")
            return "p"

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            calls.append((prep_res, exec_res))

    for step in Wrapped(Add(1, "x")).iter({"n": 0}):
        calls.append(step.action)
    assert calls == ["prep", "x", ("p", "x")]


def test_dropping_an_iteration_ends_it() -> None:
    steps = loop(AsyncUpTo).iter({"n": 0, "limit": 100})
    next(steps)
    steps.close()  # type: ignore[attr-defined]
    assert list(steps) == []


class AsyncUpTo(UpTo):
    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        return super().post(shared, prep_res, exec_res)


async def test_iter_of_async_nodes_is_refused_in_a_running_loop() -> None:
    with pytest.raises(LoopRunning):
        next(loop(AsyncUpTo).iter({"n": 0, "limit": 3}))


# -- reading the graph -------------------------------------------------------------------------------------------------


def test_nodes_are_listed_depth_first_each_once_with_those_of_nested_flows() -> None:
    a, b, c, d = Add(name="a"), Add(name="b"), Add(name="c"), Add(name="d")
    inner = Flow(b, name="inner")
    b >> c
    a >> inner
    inner >> d
    d - "back" >> a
    assert [node.name for node in Flow(a).nodes()] == ["a", "inner", "b", "c", "d"]


def test_mermaid_draws_nested_flows_as_subgraphs_and_actions_on_arrows() -> None:
    a, b, c = Add(name='say "hi"'), Add(name="b"), Add(name="c")
    inner = Flow(b, name="inner")
    a >> inner
    inner - "again" >> a
    a.when(bool, c)
    assert Flow(a).mermaid() == (
        "flowchart TD\n"
        '    n0["say #quot;hi#quot;"]\n'
        '    n3["c"]\n'
        '    subgraph n1["inner"]\n'
        '        n2["b"]\n'
        "    end\n"
        '    n0 -- "when bool" --> n3\n'
        "    n0 --> n1\n"
        '    n1 -- "again" --> n0\n'
    )
