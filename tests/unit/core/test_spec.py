"""Graphs as data: described, hashed, rebuilt."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from flowq.batch import MapNode, ParallelBatchNode, parallel_batch_node
from flowq.core import Flow, FlowSpec, Node, Retry, build, spec_of
from flowq.core.functional import node as node_of
from flowq.core.spec import NodeRef
from flowq.errors import CannotTravel, UnknownNode
from flowq.registry import class_name
from tests.programs import printed_by_processes


class Step(Node):
    def __init__(self, label: str, times: int = 1, **options: Any) -> None:
        super().__init__(**options)
        self.label = label
        self.times = times

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str | None:
        shared.setdefault("log", []).extend([self.label] * self.times)
        return "again" if self.label == "end" and len(shared["log"]) < 8 else None


class Choice(Node):
    """Holds other nodes in its arguments."""

    def __init__(self, first: Node, *, others: list[Node], named: dict[str, Node]) -> None:
        super().__init__()
        self.first, self.others, self.named = first, others, named


class Pipeline(Flow):
    """Wires itself."""

    def __init__(self, label: str) -> None:
        first = Step(label)
        first >> Step(label + "!")
        super().__init__(first)


def sample(second: str = "b") -> Flow:
    a = Step("a", times=2)
    inner = Flow(Step(second, retry=Retry(attempts=3)), name="inner")
    end = Step("end")
    a >> inner
    inner >> end
    end - "again" >> a
    return Flow(a, max_steps=50)


def test_a_rebuilt_graph_runs_like_the_first_and_is_described_alike() -> None:
    flow = sample()
    rebuilt = build(flow.spec())
    for one in (flow, rebuilt):
        shared: dict[str, Any] = {}
        with pytest.warns(UserWarning, match="Flow ends"):
            one.run(shared)
        assert shared["log"] == ["a", "a", "b", "end"] * 2
    assert isinstance(rebuilt, Flow)
    assert rebuilt.max_steps == 50
    assert spec_of(rebuilt) == spec_of(flow)
    assert rebuilt.mermaid() == flow.mermaid()


def test_a_spec_survives_being_made_plain() -> None:
    spec = sample().spec()
    plain = copy.deepcopy(spec.to_plain())
    assert FlowSpec.from_plain(plain) == spec
    assert FlowSpec.from_plain(plain).content_hash() == spec.content_hash()


def test_equal_graphs_have_equal_hashes_and_others_do_not() -> None:
    assert sample().spec().content_hash() == sample().spec().content_hash()
    assert sample().spec().content_hash() != sample("c").spec().content_hash()


def test_neither_the_order_of_wiring_nor_that_of_keywords_shows_in_the_hash() -> None:
    def graph(forwards: bool) -> Flow:
        a, x, y = Step("a"), Step("x"), Step("y")
        edges = [("x", x), ("y", y)]
        for action, node in edges if forwards else reversed(edges):
            a - action >> node
        start = Step(label="s", times=2) if forwards else Step(times=2, label="s")
        start >> a
        return Flow(start)

    assert graph(True).spec().content_hash() == graph(False).spec().content_hash()


def test_params_and_edges_are_part_of_the_hash() -> None:
    node, other, wired = Step("a"), Step("a"), Step("a")
    other.set_params({"x": 1})
    wired - "x" >> wired
    flows = [Flow(one).spec().content_hash() for one in (node, other, wired)]
    assert len(set(flows)) == 3


def test_the_hash_is_the_same_in_another_process() -> None:
    code = (
        "from flowq.core import Flow, Node\n"
        "a, b = Node(3, config={'tags': {'x', 'y', 'z'}}), Node()\n"
        "a - 'again' >> a\na >> b\nprint(Flow(a).spec().content_hash())"
    )
    assert len(printed_by_processes(code)) == 1


def test_a_single_node_is_a_graph_of_one_without_its_successors() -> None:
    node = Step("a", times=3)
    node >> Step("b")
    spec = spec_of(node)
    assert [one.label for one in spec.nodes] == ["Step"]
    rebuilt = build(spec)
    assert isinstance(rebuilt, Step)
    assert (rebuilt.label, rebuilt.times, rebuilt.successors) == ("a", 3, {})


def test_nodes_among_the_arguments_are_described_and_rebuilt_each_once() -> None:
    one, two, three = Step("1"), Step("2"), Step("3")
    two >> three
    rebuilt = build(FlowSpec.from_plain(spec_of(Choice(one, others=[two, one], named={"k": three})).to_plain()))
    assert isinstance(rebuilt, Choice)
    assert rebuilt.first is rebuilt.others[1]
    assert rebuilt.others[0].successors["default"] is rebuilt.named["k"]
    assert [node.label for node in (rebuilt.first, *rebuilt.others)] == ["1", "2", "1"]  # type: ignore[attr-defined]


def test_a_flow_that_wires_itself_is_rebuilt_with_what_became_of_it() -> None:
    flow = Pipeline("p")
    assert flow.start_node is not None
    flow.start_node - "again" >> Step("added")
    rebuilt = build(flow.spec())
    assert isinstance(rebuilt, Pipeline)
    assert [node.label for node in rebuilt.nodes()] == ["p", "p!", "added"]  # type: ignore[attr-defined]


def test_a_start_set_after_the_construction_is_kept() -> None:
    flow = Flow(Step("old"))
    flow.start(Step("new"))
    rebuilt = build(flow.spec())
    assert rebuilt.start_node.label == "new"  # type: ignore[union-attr]


def test_a_flow_within_its_own_loop_keeps_the_edges_it_has_there() -> None:
    node, end = Step("a"), Step("end")
    flow = Flow(node)
    node - "again" >> flow
    flow >> end
    spec = flow.spec()
    rebuilt = build(spec)
    inner = rebuilt.start_node
    assert inner is not None
    assert inner.successors["again"] is rebuilt
    assert rebuilt.successors["default"].label == "end"  # type: ignore[attr-defined]
    assert spec_of(rebuilt).content_hash() == spec.content_hash()


def test_bare_nodes_and_flows_are_known_everywhere() -> None:
    start = Node(2)
    start >> Node(name="end")
    rebuilt = build(Flow(start).spec())
    assert [type(node) for node in (rebuilt, rebuilt.start_node)] == [Flow, Node]


def test_params_travel() -> None:
    node = Step("a")
    node.set_params({"file": "x"})
    assert build(spec_of(node)).params == {"file": "x"}


def test_an_argument_that_is_no_data_is_kept_and_found_when_hashed() -> None:
    spec = spec_of(Step("a", config={"key": lambda x: x}))
    build(spec)
    with pytest.raises(CannotTravel, match=r"argument 'config' of node Step\['key'\] cannot travel .* is a function"):
        spec.content_hash()


def test_a_predicate_cannot_be_described() -> None:
    def is_big(shared: Any) -> bool:
        return True

    node = Step("a", name="chooser")
    node.when(is_big, Step("b"))
    spec_of(node)  # a node alone has no edges
    with pytest.raises(CannotTravel, match="the edge 'when is_big' of node chooser"):
        Flow(node).spec()


def mapped(times: int, name: str = "") -> Node:
    def multiplied(item: int) -> int:
        return item * times

    multiplied.__qualname__ = name or multiplied.__qualname__
    return MapNode(multiplied)


def decorated(times: int) -> Node:
    @parallel_batch_node
    def multiplied(item: int) -> int:
        return item * times

    return multiplied


def subclassed(times: int) -> Node:
    class Multiplied(ParallelBatchNode[int, int]):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)

        def exec(self, item: int) -> int:
            return item * times

    return Multiplied()


def with_attribute(times: int) -> Node:
    class Multiplied(ParallelBatchNode[int, int]):
        factor = times

    return Multiplied()


def wrapped(times: int) -> Node:
    def twice(item: int) -> int:
        return item * 2

    def thrice(item: int) -> int:
        return item * 3

    def outer(fn: Callable[[int], int]) -> Callable[[int], int]:
        return lambda item: fn(item)

    fn = outer({2: twice, 3: thrice}[times])
    fn.__qualname__ = "outer.wrapper"
    return node_of(exec=fn)


FACTORIES = [mapped, decorated, subclassed, with_attribute, wrapped]


@pytest.mark.parametrize("made", FACTORIES)
def test_of_two_classes_with_one_name_the_older_is_refused(made: Callable[[int], Node]) -> None:
    older, newer = made(2), made(3)
    assert type(build(spec_of(newer))) is type(newer)
    with pytest.raises(CannotTravel, match=r"another class is registered as .* a name of its own"):
        spec_of(older)
    with pytest.raises(CannotTravel, match="another class is registered"):
        spec_of(Flow(older))


@pytest.mark.parametrize("made", FACTORIES)
def test_what_a_factory_makes_twice_of_the_same_may_share_a_name(made: Callable[[int], Node]) -> None:
    older, newer = made(2), made(2)
    assert spec_of(older) == spec_of(newer)
    assert type(build(spec_of(older))).__qualname__ == type(older).__qualname__


def test_functions_of_a_factory_travel_by_names_of_their_own() -> None:
    older, newer = mapped(2, "doubled"), mapped(3, "tripled")
    assert [type(build(spec_of(one))) for one in (older, newer)] == [type(older), type(newer)]


def test_nodes_of_one_function_with_other_options_share_a_class() -> None:
    def work(item: int) -> int:
        return item

    older, newer = node_of(exec=work, max_retries=2), node_of(exec=work, max_retries=3)
    assert build(spec_of(older)).max_retries == 2
    assert type(older) is type(newer)


def test_a_class_that_is_not_known_or_no_node_is_refused() -> None:
    spec = spec_of(Step("a"))
    with pytest.raises(UnknownNode, match=r"test_spec:Step cannot travel"):
        build(spec, resolve=dict[str, type]().__getitem__)
    with pytest.raises(CannotTravel, match="not a Node"):
        build(spec, resolve=lambda name: Retry)
    with pytest.raises(CannotTravel, match="not a Node"):
        build(spec, resolve=lambda name: print)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize(
    "plain",
    [
        None,
        {},
        {"nodes": []},
        {"nodes": [{"node": "m:C"}], "format": 99},
        {"nodes": [{"node": "m:C", "edges": {"default": 1}}]},
        {"nodes": [{"node": "m:C", "edges": {"default": -1}}]},
        {"nodes": [{"node": "m:C", "start": 3}]},
        {"nodes": [{"node": "m:C", "code": "x"}]},
        {"nodes": [{"node": 3}]},
    ],
)
def test_a_description_that_is_none_is_refused(plain: Any) -> None:
    with pytest.raises(CannotTravel, match="the description of a flow"):
        FlowSpec.from_plain(plain)


@pytest.mark.parametrize("index", [0, 7, -1])
def test_a_description_that_refers_to_itself_or_to_nothing_is_refused(index: int) -> None:
    spec = FlowSpec.from_plain({"nodes": [{"node": class_name(Flow), "args": [NodeRef(index)]}]})
    with pytest.raises(CannotTravel):
        build(spec)
