"""Rows 64 to 75 and 80: flows, their edges, loops, nesting, params and steps."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import flowq
from tests.features.graphs import (
    Conditional,
    CountsDown,
    Inner,
    Once,
    Phases,
    PostsResults,
    Refused,
    Says,
    ShowsParams,
    is_big,
    is_odd,
    once,
)


def said(start: flowq.Node, **shared: Any) -> list[str]:
    said: list[str] = once(start, shared)["said"]
    return said


def test_row_064_there_are_no_pipes_between_nodes() -> None:
    with pytest.raises(TypeError, match=r"unsupported operand type\(s\) for \|"):
        Says() | Says()  # type: ignore[operator]


def test_row_065_a_flow_is_built_from_its_start(executor: str) -> None:
    first = Says(name="first")
    flow = flowq.Flow()
    assert flow.start(first) is first
    assert flow.start_node is first is flowq.Flow(start=first).start_node is flowq.Flow(first).start_node
    assert said(flow) == ["first"]


def test_row_066_the_default_edge_leads_on(executor: str) -> None:
    first, second = Says(name="first"), Says(name="second")
    assert first >> second is second
    second >> Says(name="third")
    assert said(first) == ["first", "second", "third"]


def test_row_067_named_edges_are_chosen_by_the_action(executor: str) -> None:
    first, left, right = Says("left", name="first"), Says(name="left"), Says(name="right")
    assert first - "left" >> left is left
    flow = flowq.Flow(start=first)
    assert flow.connect(first, "right", right).connect(left, "default", right) is flow
    assert said(flow) == ["first", "left", "right"]
    for wrong in (3, None, left):
        with pytest.raises(TypeError, match="Action must be a string"):
            first - wrong  # type: ignore[operator]


def test_row_068_predicates_are_asked_in_order_before_the_default_edge() -> None:
    first = Says(name="first")
    assert first.when(is_big, Says(name="big")).name == "big"
    first.when(is_odd, Says(name="odd"))
    first >> Says(name="default")
    for n, second in [(11, "big"), (3, "odd"), (2, "default")]:
        shared: dict[str, Any] = {"n": n}
        flowq.Flow(start=first).run(shared)
        assert shared["said"] == ["first", second]


def test_row_068_conditions_in_words_travel_and_are_not_evaluated_as_code(executor: str) -> None:
    first = Conditional()
    first - "shared['n'] > 10" > Says(name="big")  # noqa: B015
    first - "shared['n'] % 2 == 1" > Says(name="odd")  # noqa: B015
    first > Says(name="default")  # noqa: B015
    assert [said(first, n=n) for n in (11, 3, 2)] == [["big"], ["odd"], ["default"]]
    with pytest.raises(ValueError, match="does more than compare"):
        Conditional() - "__import__('os').getpid()"


def test_row_069_an_unknown_action_ends_the_flow_with_a_warning() -> None:
    first = Says("x", name="first")
    first >> Says()
    with pytest.warns(UserWarning, match=r"^Flow ends: 'x' not found in \['default'\]$"):
        assert flowq.Flow(start=first).run({}) == "x"
    with pytest.raises(flowq.UnknownAction, match="'x'"):
        flowq.Flow(start=first, strict=True).run({})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert flowq.Flow(start=Says("anything"), strict=True).run({}) == "anything"  # a leaf may say what it likes


def test_row_069_on_workers_a_strict_flow_fails_with_the_same_error(executor: str) -> None:
    first = Says("x")
    first >> Says()
    with pytest.raises(flowq.BatchError) as caught:
        Once(start=first, strict=True).run({})
    assert isinstance(caught.value.errors[0], flowq.UnknownAction)


def test_row_070_an_edge_that_is_wired_twice_warns() -> None:
    first = Says()
    first - "x" >> Says()
    with pytest.warns(UserWarning, match=r"^Overwriting successor for action 'x'$"):
        first - "x" >> Says(name="the later one")
    assert first.successors["x"].name == "the later one"


def looping() -> flowq.Node:
    counts = CountsDown()
    counts - "again" >> counts
    counts - "done" >> Says("the end")
    return counts


def test_row_071_flows_loop_and_a_loop_can_be_bounded(executor: str) -> None:
    assert once(flowq.Flow(start=looping()), {"n": 50})["action"] == "the end"
    assert once(flowq.Flow(start=looping(), max_steps=51), {"n": 50})["action"] == "the end"
    with pytest.raises(flowq.BatchError) as caught:
        once(flowq.Flow(start=looping(), max_steps=50), {"n": 50})
    assert "50 nodes, its max_steps" in str(caught.value.errors[0])


def test_row_072_a_flow_is_a_node_whose_last_action_routes_the_outer_one(executor: str) -> None:
    first = Says(name="first")
    first >> Says("left", name="second")
    inner = Inner(start=first)
    inner - "left" >> Says(name="after")
    inner - "right" >> Says(name="never")
    shared = once(inner, {})
    assert (shared["said"], shared["flow"]) == (["first", "second", "after"], ["prepared", "left"])


def test_row_073_the_post_of_a_flow_gets_the_last_action(executor: str) -> None:
    shared = once(Inner(start=Says("last")), {})
    assert (shared["flow"], shared["action"]) == (["prepared", "last"], "last")


def test_row_073_the_post_of_a_batch_flow_gets_the_results_of_its_items(executor: str) -> None:
    flow = PostsResults(start=Says("of the item"), merge="last")
    shared: dict[str, Any] = {}
    assert flow.run(shared) == "next"
    assert shared["post"] == ([{}], ["of the item"])


async def test_row_074_a_run_returns_the_last_action_or_a_result_with_all_of_it() -> None:
    first = Says("on", name="first")
    first - "on" >> Says("the end", name="second")
    flow = flowq.Flow(start=first)
    assert (flow.run({}), await flow.run_async({})) == ("the end", "the end")
    for result in (flow.run({}, run_result=True), await flow.run_async({}, run_result=True)):
        assert (result.status, result.action, result.shared) == ("succeeded", "the end", {"said": ["first", "second"]})
        assert [(step.path, step.action) for step in result.steps] == [
            ("Flow/first", "on"), ("Flow/second", "the end"),
        ]  # fmt: skip


def test_row_074_the_result_of_a_failed_run_has_the_error_and_the_steps_before() -> None:
    class Fails(flowq.Node):
        def exec(self, prep_res: Any) -> None:
            raise Refused("no")

    first = Says(name="first")
    first >> Fails()
    result = flowq.Flow(start=first).run({}, run_result=True)
    assert (result.status, [step.error is None for step in result.steps]) == ("failed", [True, False])
    with pytest.raises(Refused):
        result.raise_for_error()


def test_row_075_params_are_replaced_and_a_flow_pushes_its_own(executor: str) -> None:
    first = ShowsParams()
    first.set_params({"a": 1})
    first.set_params({"b": 2})
    shared: dict[str, Any] = {}
    first.run(shared)
    assert shared["params"] == [{"b": 2}]  # set_params replaces
    first >> flowq.Flow(start=ShowsParams())
    flow = Once(start=first, merge="last")
    flow.set_params({"of the flow": 3})
    shared = {}
    flow.run(shared)
    assert shared["params"] == [{"of the flow": 3}] * 2
    assert first.params == {"b": 2}


def test_row_080_a_flow_can_be_taken_step_by_step() -> None:
    first = Phases()
    first - "done" >> Says("the end")
    shared: dict[str, Any] = {"n": 1}
    steps = flowq.Flow(start=first).iter(shared)
    step = next(steps)
    assert (type(step.node), step.action, shared["phases"]) == (Phases, "done", [1, 2])
    assert "said" not in shared
    shared["changed"] = "between two steps"
    assert [step.action for step in steps] == ["the end"]
    assert shared["said"] == ["Says"]
