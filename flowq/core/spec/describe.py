"""Reads a graph of nodes into a FlowSpec. Never changes the nodes or their arguments."""

from __future__ import annotations

from typing import Any

from flowq.core.functional import NAMELESS
from flowq.core.graph import predicate_label
from flowq.core.hooks import travelling
from flowq.core.node import Node
from flowq.core.spec.likeness import are_alike
from flowq.core.spec.models import FlowSpec, NodeRef, NodeSpec
from flowq.errors import CannotTravel
from flowq.registry import class_name, registered


def spec_of(root: Node[Any, Any]) -> FlowSpec:
    """The graph of *root* as data: a flow with everything inside it, or a single node without its successors.

    Arguments are kept as they are: those that cannot be sent to workers are refused when they are encoded or hashed.

    Raises:
        CannotTravel: an edge has a predicate, a class was made from a lambda, or another class is registered under the
            name of a node's class.
    """
    return _Describer(root).describe()


def _is_known_by(name: str, cls: type) -> bool:
    """Whether the class registered as *name* is *cls* or has the same code; True if none is registered."""
    try:
        known = registered(name)
    except KeyError:  # no other class has the name; whether workers know it is checked there
        return True
    return known is cls or are_alike(known, cls)


class _Describer:
    """One walk over a graph. Nodes are numbered in the order they are found, starting at the root."""

    def __init__(self, root: Node[Any, Any]) -> None:
        self.root = root
        self.nodes = [root]
        self.numbers = {id(root): 0}
        self.root_is_inside = False

    def describe(self) -> FlowSpec:
        specs: list[NodeSpec] = []
        for node in self.nodes:  # grows while it is walked
            specs.append(self.node_spec(node))
        if self.root_is_inside:  # a flow reachable from its own nodes: its edges are part of the graph
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
        # The flows around the root are not sent, so the root carries their hooks; flows inside it pass theirs on.
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
        # Numbered in sorted order: a graph wired in another order must get the same numbers, and so the same hash.
        for action in sorted(node.successors):
            self.number(node.successors[action])
        return {action: self.number(target) for action, target in node.successors.items()}

    def described(self, value: Any) -> Any:
        """*value* with the nodes in it replaced by ``NodeRef``."""
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
