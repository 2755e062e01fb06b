"""A graph as data: its nodes by class name, their constructor arguments, their edges. Never an instance of anything.

What a node was given after its construction (attributes, a name set later) is not in it, its params and edges excepted.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from flowq.core.canonical import canonical
from flowq.core.graph import predicate_label
from flowq.core.node import Node
from flowq.errors import CannotTravel, UnknownNode
from flowq.registry import class_name, register, registered

_FORMAT = 1


@register
@dataclass(frozen=True)
class NodeRef:
    """Stands in a constructor's arguments where the n-th node of the spec was."""

    index: int


class NodeSpec(BaseModel):
    """One node of a graph.

    Attributes:
        node: the class, ``module:QualName``.
        args: positional arguments of its constructor; nodes among them are ``NodeRef``.
        kwargs: keyword arguments, the same way.
        params: the node's own ``params``.
        edges: action → index of the successor in ``FlowSpec.nodes``.
        start: index of the node a flow begins with.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    node: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = {}
    params: dict[str, Any] = {}
    edges: dict[str, int] = {}
    start: int | None = None

    @property
    def label(self) -> str:
        """The class without its module, for messages."""
        return self.node.partition(":")[2]


class FlowSpec(BaseModel):
    """A graph; the first node is the one it describes, a flow or a single node."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: int = _FORMAT
    nodes: tuple[NodeSpec, ...]

    @model_validator(mode="after")
    def _check_references(self) -> Self:
        if self.format != _FORMAT:
            raise ValueError(f"the graph is in format {self.format}; this flowq reads format {_FORMAT}")
        if not self.nodes:
            raise ValueError("a graph has at least one node")
        for spec in self.nodes:
            targets = list(spec.edges.values()) + ([] if spec.start is None else [spec.start])
            if not all(0 <= target < len(self.nodes) for target in targets):
                raise ValueError(f"an edge of {spec.label} leads out of the graph")
        return self

    def content_hash(self) -> str:
        """32 hex digits that are equal for equal graphs, in every process.

        Raises:
            CannotTravel: an argument is not data; names the node and the argument.
        """
        digest = hashlib.blake2b(digest_size=16)
        for spec in self.nodes:
            digest.update(canonical([spec.node, spec.edges, spec.start]))
            for place, value in enumerate(spec.args):
                digest.update(canonical([place], "") + canonical(value, f"argument {place + 1} of node {spec.label}"))
            for name, value in sorted(spec.kwargs.items()):
                digest.update(canonical(name) + canonical(value, f"argument {name!r} of node {spec.label}"))
            digest.update(canonical(spec.params, f"params of node {spec.label}"))
        return digest.hexdigest()

    def to_plain(self) -> dict[str, Any]:
        """The graph as dicts and lists, with the arguments as they are, for the codec."""
        return {"format": self.format, "nodes": [{name: getattr(one, name) for name in _FIELDS} for one in self.nodes]}

    @classmethod
    def from_plain(cls, data: Any) -> FlowSpec:
        """The graph that :meth:`to_plain` described.

        Raises:
            CannotTravel: *data* describes no graph.
        """
        try:
            return cls.model_validate(data)
        except ValidationError as exc:
            raise CannotTravel("the description of a flow", str(exc)) from exc


_FIELDS = tuple(NodeSpec.model_fields)


def spec_of(root: Node[Any, Any]) -> FlowSpec:
    """The graph of *root* as data: a flow with everything inside it; a single node alone, without its successors.

    The arguments are kept as they are: whether they can travel shows when they are encoded or hashed.

    Raises:
        CannotTravel: an edge has a predicate, or a class was made from a lambda.
    """
    return _Describer(root).describe()


class _Describer:
    """One walk over a graph. Nodes are numbered as they are met, from the root."""

    def __init__(self, root: Node[Any, Any]) -> None:
        self.root = root
        self.nodes = [root]
        self.numbers = {id(root): 0}
        self.root_is_inside = False

    def describe(self) -> FlowSpec:
        specs: list[NodeSpec] = []
        for node in self.nodes:  # grows while it is walked
            specs.append(self.node_spec(node))
        if self.root_is_inside:  # a flow within its own loop: its edges are part of the graph after all
            specs[0] = specs[0].model_copy(update={"edges": self.edges(self.root)})
            specs.extend(self.node_spec(node) for node in self.nodes[len(specs) :])
        return FlowSpec(nodes=tuple(specs))

    def node_spec(self, node: Node[Any, Any]) -> NodeSpec:
        name = class_name(type(node))
        if "<lambda>" in name:
            raise CannotTravel(f"node {node.name}", "a lambda has no name to find it by; define a function for it")
        args, kwargs = node._arguments
        return NodeSpec(
            node=name,
            args=tuple(self.described(value) for value in args),
            kwargs={key: self.described(value) for key, value in kwargs.items()},
            params=dict(node.params),
            start=None if node.start_node is None else self.number(node.start_node),
            edges={} if node is self.root else self.edges(node),
        )

    def edges(self, node: Node[Any, Any]) -> dict[str, int]:
        for predicate, _ in node.predicates:
            raise CannotTravel(
                f"the edge {predicate_label(predicate)!r} of node {node.name}",
                "a predicate stays in the process it was written in. Return an action from post, and wire that.",
            )
        # Sorted: the same graph wired in another order must be numbered, and so hashed, alike.
        return {action: self.number(target) for action, target in sorted(node.successors.items())}

    def described(self, value: Any) -> Any:
        """*value* with the nodes in it replaced by references."""
        if isinstance(value, Node):
            return NodeRef(self.number(value))
        if type(value) in (list, tuple):
            return type(value)(self.described(one) for one in value)
        if type(value) is dict:
            return {key: self.described(one) for key, one in value.items()}
        return value

    def number(self, node: Node[Any, Any]) -> int:
        self.root_is_inside = self.root_is_inside or node is self.root
        if id(node) not in self.numbers:
            self.numbers[id(node)] = len(self.nodes)
            self.nodes.append(node)
        return self.numbers[id(node)]


def build(spec: FlowSpec, resolve: Callable[[str], type] = registered) -> Node[Any, Any]:
    """The graph that *spec* describes, made anew; returns its first node.

    Args:
        resolve: class name → class; raises KeyError for one it does not know. It must not import.

    Raises:
        UnknownNode: a class is not known here.
        CannotTravel: a name leads to something that is no node class, or the description refers to itself.
    """
    return _Builder(spec, resolve).build()


class _Builder:
    """One construction of a graph: first every node from its arguments, then the edges."""

    def __init__(self, spec: FlowSpec, resolve: Callable[[str], type]) -> None:
        self.specs = spec.nodes
        self.resolve = resolve
        self.built: dict[int, Node[Any, Any]] = {}
        self.begun: set[int] = set()

    def build(self) -> Node[Any, Any]:
        for index, spec in enumerate(self.specs):
            node = self.node(index)
            node.params = dict(spec.params)
        for index, spec in enumerate(self.specs):
            node = self.built[index]
            node.successors = {action: self.built[target] for action, target in spec.edges.items()}
            if spec.start is not None:
                node.start_node = self.built[spec.start]
        return self.built[0]

    def node(self, index: int) -> Node[Any, Any]:
        if index not in self.built:
            spec = self.specs[index]
            if index in self.begun:
                raise CannotTravel(f"node {spec.label}", "it is among the arguments it is made from")
            self.begun.add(index)
            cls = self.node_class(spec.node)
            args = [self.restored(value) for value in spec.args]
            self.built[index] = cls(*args, **{name: self.restored(value) for name, value in spec.kwargs.items()})
        return self.built[index]

    def node_class(self, name: str) -> type[Node[Any, Any]]:
        try:
            cls = self.resolve(name)
        except KeyError:
            raise UnknownNode(
                f"node {name}", "this process has not imported the module that defines it; tell the worker to import it"
            ) from None
        if not (isinstance(cls, type) and issubclass(cls, Node)):
            raise CannotTravel(f"node {name}", "the class of that name is not a Node")
        return cls

    def restored(self, value: Any) -> Any:
        if type(value) is NodeRef:
            if not 0 <= value.index < len(self.specs):
                raise CannotTravel("the description of a flow", f"it refers to a node {value.index} that it lacks")
            return self.node(value.index)
        if type(value) in (list, tuple):
            return type(value)(self.restored(one) for one in value)
        if type(value) is dict:
            return {key: self.restored(one) for key, one in value.items()}
        return value
