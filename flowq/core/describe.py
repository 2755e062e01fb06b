"""A graph read off its nodes, as data. Never changes them, and never looks into what their arguments are."""

from __future__ import annotations

from typing import Any

from flowq.core.functional import NAMELESS
from flowq.core.graph import predicate_label
from flowq.core.hooks import travelling
from flowq.core.likeness import are_alike
from flowq.core.node import Node
from flowq.core.spec_models import FlowSpec, NodeRef, NodeSpec
from flowq.errors import CannotTravel
from flowq.registry import class_name, registered


def spec_of(root: Node[Any, Any]) -> FlowSpec:
    """The graph of *root* as data: a flow with everything inside it; a single node alone, without its successors.

    The arguments are kept as they are: whether they can travel shows when they are encoded or hashed.

    Raises:
        CannotTravel: an edge has a predicate, or a class was made from a lambda.
    """
    return _Describer(root).describe()


def _is_known_by(name: str, cls: type) -> bool:
    """Whether a worker that makes a node of the class called *name* makes one like those of *cls*."""
    try:
        known = registered(name)
    except KeyError:  # nobody else has the name: whether workers know it is theirs to say
        return True
    return known is cls or are_alike(known, cls)


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
        if any(part in name for part in NAMELESS):
            raise CannotTravel(f"node {node.name}", "nothing names the function it is made of; define one with `def`")
        if not _is_known_by(name, type(node)):
            raise CannotTravel(
                f"node {node.name}",
                f"another class is registered as {name}, and workers would run that one. Give each a name of its own: "
                "a class at the top of a module, functools.wraps in a decorator, or another __qualname__ for what a "
                "factory makes. If its module was loaded again, make the node again",
            )
        args, kwargs = node._arguments
        listeners = node._listeners
        # The flows around the root stay behind; those inside it tell their nodes what they are told.
        hooks = node._hooks if node is not self.root or listeners is None else listeners.hooks
        return NodeSpec(
            node=name,
            args=tuple(self.described(value) for value in args),
            kwargs={key: self.described(value) for key, value in kwargs.items() if key != "hooks" or not node._hooks},
            hooks=tuple(travelling(hooks)),
            path="" if listeners is None else listeners.path,
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
        # Numbered in a sorted order: the same graph wired in another order must be numbered, and so hashed, alike.
        for action in sorted(node.successors):
            self.number(node.successors[action])
        return {action: self.number(target) for action, target in node.successors.items()}

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
