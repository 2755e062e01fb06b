"""Classes whose methods nobody calls: they are refused, for they would do nothing, silently."""

from __future__ import annotations

from typing import Any

import pytest

from flowq.batch import BatchFlow, BatchNode, MapNode, ParallelBatchNode, ReduceNode
from flowq.compat import pocketflow
from flowq.core import Flow, Node
from flowq.errors import FlowError

pytestmark = pytest.mark.usefixtures("inline")

KINDS = pytest.mark.parametrize("kind", [BatchNode, ParallelBatchNode])


def without_exec(kind: type[Any]) -> Any:
    class Search(kind):  # type: ignore[misc]
        def prep(self, shared: Any) -> list[str]:
            return ["a", "b"]

        def execute(self, query: str) -> str:
            return query.upper()

    return Search()


@KINDS
def test_a_batch_node_without_exec_is_refused_when_its_batch_is_to_begin(kind: type[Any]) -> None:
    node = without_exec(kind)
    for begin in (node.map, node.submit, node.stream):
        with pytest.raises(FlowError, match=r"Search defines neither exec nor exec_many"):
            begin(["a", "b"])
    with pytest.raises(FlowError, match=r"define exec\(self, item\)"):
        Flow(node).run({})


@KINDS
def test_the_check_of_a_flow_finds_a_batch_node_without_exec(kind: type[Any]) -> None:
    first = Node()
    first >> without_exec(kind)
    (problem,) = Flow(first).check()
    assert problem.startswith("Search defines neither exec nor exec_many")


def test_a_map_node_of_a_node_without_exec_is_refused() -> None:
    with pytest.raises(FlowError, match="MapNode"):
        MapNode(Node()).map([1])


@KINDS
def test_what_runs_an_item_may_be_given_in_any_other_way(kind: type[Any]) -> None:
    class Many(kind):  # type: ignore[misc]
        def exec_many(self, items: list[int]) -> list[int]:
            return [2 * item for item in items]

    given: Any = kind()
    given.exec = lambda item: 2 * item
    assert Many().map([1, 2]) == given.map([1, 2]) == [2, 4]
    assert Flow(Many()).check() == []
    assert ReduceNode(max).reduce([1, 2]) == 2
    assert len(BatchFlow(Node()).map([{}, {}])) == 2


def test_a_node_that_only_prepares_or_writes_is_none_of_these() -> None:
    class Write(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["written"] = True

    shared: dict[str, bool] = {}
    flow = Flow(Write())
    assert flow.check() == []
    flow.run(shared)
    assert shared == {"written": True}


@pytest.mark.parametrize("kind", [Node, BatchNode, ParallelBatchNode, Flow, BatchFlow])
@pytest.mark.parametrize("method", ["prep", "exec", "exec_fallback", "post"])
def test_a_class_with_a_method_that_pocketflow_calls_and_flowq_does_not_makes_no_nodes(
    kind: type[Any], method: str
) -> None:
    async def ported(self: Any, *args: Any) -> Any:
        return await getattr(super(type(self), self), f"{method}_async")(*args)

    cls = type("Search", (kind,), {f"{method}_async": ported})
    with pytest.raises(FlowError, match=rf"Search\.{method}_async is called by nobody.*call it {method}\b"):
        cls()


def test_all_such_methods_are_named_at_once() -> None:
    class Search(ParallelBatchNode):
        async def prep_async(self, shared: Any) -> Any: ...

        async def exec_async(self, query: str) -> Any: ...

    class Better(Search): ...

    with pytest.raises(
        FlowError, match=r"Better\.prep_async and \.exec_async are called by nobody.*them prep and exec"
    ):
        Better()


def test_a_method_of_such_a_name_that_the_class_calls_itself_is_its_own_business() -> None:
    class Fetch(ParallelBatchNode):
        async def exec(self, url: str) -> str:
            async def send() -> str:
                return await self.post_async(url)

            return f"{await send()} {await self.exec_async(url)}"

        async def exec_async(self, url: str) -> str:
            return f"exec {url}"

        async def post_async(self, url: str) -> str:
            return f"post {url}"

    class Quiet(Fetch):
        async def post_async(self, url: str) -> str:
            return "-"

    assert Fetch().map(["a"]) == ["post a exec a"]
    assert Quiet().map(["a"]) == ["- exec a"]


def test_classes_that_are_pocketflows_in_all_keep_its_names() -> None:
    class Sync(pocketflow.Node):
        async def exec_async(self, prep_res: Any) -> Any: ...  # there, too, nobody calls it

    class Async(pocketflow.AsyncNode):
        async def exec_async(self, prep_res: Any) -> Any: ...

    for cls in (Sync, Async):
        assert pocketflow.Flow(cls()).check() == []
