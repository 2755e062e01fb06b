"""Rows 1 to 18: a node, its methods, what they are given and what they may return."""

from __future__ import annotations

import logging
import threading
from typing import Any

import pytest

import flowq
from flowq.compat import pocketflow
from flowq.core.spec import FlowSpec, build
from tests.features.graphs import (
    Asks,
    AsksEverywhere,
    AsyncPhases,
    Brings,
    Counts,
    OfState,
    Phases,
    PocketPhases,
    Prepares,
    Promises,
    Says,
    SeesStore,
    TakesAnyNames,
    Where,
    doubled,
    made,
    once,
)


@pytest.mark.parametrize("node", [Phases, PocketPhases, Prepares, OfState])
def test_row_001_three_phases_read_work_and_write(executor: str, node: type[flowq.Node]) -> None:
    assert once(node(), {"n": 1})["phases"] == [1, 2]


@pytest.mark.parametrize("node", [flowq.Node, pocketflow.Node, pocketflow.AsyncNode, flowq.Flow])
def test_row_002_every_method_is_a_no_op_until_it_is_overridden(executor: str, node: type[flowq.Node]) -> None:
    assert once(node(), {"kept": 1}) == {"kept": 1, "action": None}


def test_row_003_exec_does_not_see_the_store_once_it_leaves_the_process(executor: str) -> None:
    shared: dict[str, Any] = {}
    SeesStore().run(shared)
    assert shared["seen"] == (executor == "inline")


@pytest.mark.parametrize("action", [None, "", "default"])
def test_row_004_post_returns_the_action_and_nothing_is_the_default_one(executor: str, action: str | None) -> None:
    first = Says(action, name="first")
    first >> Says(name="by default")
    first - "other" >> Says(name="other")
    assert once(first, {})["said"] == ["first", "by default"]
    first.action = "other"
    assert flowq.Flow(start=first).run({}) is None


def test_row_004_what_is_no_action_is_refused() -> None:
    with pytest.raises(TypeError, match="results belong in the shared store"):
        flowq.Flow(start=Says({"a": 1})).run({})


def test_row_005_the_default_action_has_a_name(executor: str) -> None:
    first = Says(flowq.DEFAULT, name="first")
    first - flowq.DEFAULT >> Says(name="second")
    assert (flowq.DEFAULT, once(first, {})["said"]) == ("default", ["first", "second"])


def test_row_006_any_of_the_four_methods_may_be_async(executor: str) -> None:
    assert once(AsyncPhases(), {"n": 1})["phases"] == [1, "no"]


async def test_row_006_there_is_one_node_for_sync_and_async_runs() -> None:
    for node in (Phases(), AsyncPhases()):
        shared: dict[str, Any] = {"n": 1}
        await node.run_async(shared)
        assert shared["phases"][0] == 1


async def test_row_007_a_sync_body_does_not_block_the_event_loop() -> None:
    shared: dict[str, Any] = {}
    await Where().run_async(shared)
    assert shared["thread"] != threading.get_ident()


async def test_row_007_classes_of_pocketflow_stay_in_the_loop() -> None:
    class Here(pocketflow.Node):
        def exec(self, prep_res: Any) -> Any:
            return threading.get_ident()

        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["thread"] = exec_res

    shared: dict[str, Any] = {}
    await pocketflow.AsyncFlow(start=Here()).run_async(shared)
    assert shared["thread"] == threading.get_ident()


def test_row_008_run_drives_async_nodes() -> None:
    shared = {"n": 1}
    flowq.Flow(start=AsyncPhases()).run(shared)
    assert shared["phases"] == [1, "no"]  # type: ignore[comparison-overlap]


async def test_row_008_run_inside_a_running_loop_says_what_to_call_instead() -> None:
    with pytest.raises(flowq.LoopRunning, match="await run_async"):
        AsyncPhases().run({"n": 1})
    for node in (pocketflow.AsyncNode(), pocketflow.AsyncFlow(start=pocketflow.Node())):
        with pytest.raises(RuntimeError, match=r"^Use run_async\.$"):
            node.run({})


def test_row_009_a_keyword_only_ctx_is_injected(executor: str) -> None:
    values = Asks(max_retries=2, config={"a": 1}).map([7, 8])
    assert values == [[1, index, f"key {item}", {"a": 1}, False, "Asks"] for index, item in enumerate([7, 8])]


def test_row_009_in_all_methods_of_a_node(executor: str) -> None:
    assert once(AsksEverywhere(config={"n": 2}), {})["asked"] == [4, "AsksEverywhere", 2]


def test_row_009_positional_names_are_the_users_own(executor: str) -> None:
    assert TakesAnyNames().map(["the item"]) == ["the item"]


def test_row_009_execute_is_given_config_and_runtime_by_name_and_nothing_else(executor: str) -> None:
    assert once(OfState(), {"n": 1})["attempt"] == 0
    with pytest.raises(TypeError, match="asks for 'store'"):

        class Wrong(type(OfState())):  # type: ignore[misc]
            def execute(self, state: Any, store: Any) -> dict[str, Any]:
                return {}


def test_row_010_exec_may_return_anything_that_travels(executor: str) -> None:
    assert Brings().map(["none", "list", "text", "action"]) == [None, [1], "x", "not an action here"]


def test_row_011_a_node_is_called_as_its_class_unless_it_is_named(executor: str) -> None:
    first = Says()
    first >> Says(name="given")
    assert once(first, {})["said"] == ["Says", "given"]


def test_row_011_a_path_names_a_node_in_every_process_that_makes_the_same_graph() -> None:
    def graph() -> flowq.Flow:
        first, inner = Says(), flowq.Flow(start=Phases(), name="Inner")
        first >> Says() >> inner >> Says(name="last")
        return flowq.Flow(start=first, name="Outer")

    flow = graph()
    paths = flow.paths()
    assert list(paths) == ["Outer/Says", "Outer/Says#2", "Outer/Inner", "Outer/last", "Outer/Inner/Phases"]
    assert list(graph().paths()) == list(paths)
    assert paths["Outer/Inner/Phases"].name == "Phases"


def test_row_012_a_node_has_a_config(executor: str) -> None:
    assert once(AsksEverywhere(config={"n": 3}), {})["asked"][2] == 3
    assert dict(flowq.Node().config) == {}


def test_row_013_a_node_logs_with_run_node_item_and_attempt(inline: None, caplog: pytest.LogCaptureFixture) -> None:
    class Logs(flowq.ParallelBatchNode[int, None]):
        def exec(self, item: int) -> None:
            self.log("working on it", size=item)
            if self.cur_retry == 0:
                raise ValueError

    with caplog.at_level(logging.INFO, "flowq.node"):
        Logs(max_retries=2).map([5])
    tags = [(vars(one)["node"], vars(one)["item_index"], vars(one)["attempt"]) for one in caplog.records]
    assert tags == [("Logs", 0, 0), ("Logs", 0, 1)]
    assert (caplog.records[0].message, vars(caplog.records[0])["fields"]) == ("working on it", {"size": 5})


def test_row_014_a_function_is_a_node(executor: str) -> None:
    shared = once(made, {"n": 2})
    assert (shared["made"], shared["action"]) == (6, "kept")
    assert doubled(3, ctx=flowq.ItemContext(attempt=1)) == 6  # and still a function
    assert (doubled.max_retries, doubled.run({"n": 2})) == (2, None)


def test_row_015_a_node_runs_alone_with_its_retries_and_warns_of_successors() -> None:
    node = Phases()
    node >> Says()
    shared = {"n": 1}
    with pytest.warns(UserWarning, match=r"^Node won't run successors\. Use Flow\.$"):
        assert node.run(shared) == "done"
    assert "said" not in shared


def test_row_016_a_visit_runs_a_shallow_copy(executor: str) -> None:
    node = Counts()
    node - "again" >> node
    node - "enough" >> Says()
    assert once(node, {"left": 3})["counts"] == [1, 1, 1]
    assert node.n == 0


def test_row_017_a_flow_is_checked_before_it_runs(inline: None) -> None:
    promises, lost, loop = Promises(), Says(name="lost"), Says(lambda: None, name="loop")
    promises - "ok" >> loop >> promises
    flow = flowq.Flow(start=promises).connect(lost, "default", promises)
    found = flow.check()
    assert len(found) == 3
    for part, problem in zip(
        ["lost cannot be reached", "'retry', which leads nowhere", "is a function"], found, strict=True
    ):
        assert part in problem
    fine = Promises()
    fine - "ok" >> fine
    fine - "retry" >> fine
    assert flowq.Flow(start=fine).check() == []


def test_row_018_a_graph_is_data_with_a_hash_and_is_built_from_registered_classes_alone() -> None:
    def graph(action: str) -> flowq.Flow:
        first = Says(action)
        first - "on" >> Phases()
        return flowq.Flow(start=first)

    spec = graph("on").spec()
    assert [node.node for node in spec.nodes][1:] == ["tests.features.graphs:Says", "tests.features.graphs:Phases"]
    assert spec.content_hash() == graph("on").spec().content_hash() != graph("off").spec().content_hash()
    again = FlowSpec.model_validate_json(spec.model_dump_json())
    rebuilt = build(again)
    shared = {"n": 1}
    rebuilt.run(shared)
    assert shared["phases"] == [1, 2]  # type: ignore[comparison-overlap]
    stranger = again.model_copy(update={"nodes": (again.nodes[0].model_copy(update={"node": "os:system"}),)})
    with pytest.raises(flowq.UnknownNode, match="os:system"):
        build(stranger)
