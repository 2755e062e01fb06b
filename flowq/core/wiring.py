"""Wired: the edges that lead from a node to the next ones. The walk along them is walks/flow.py."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from flowq.core.actions import DEFAULT, AnyNode, Transition
from flowq.core.callables import is_async

if TYPE_CHECKING:
    from flowq.core.node import Node

Predicate = Callable[[Any], Any]


class Wired:
    """Base class of Node: its edges.

    Attributes:
        successors: the next node by action.
        predicates: pairs of a predicate of the store and the next node, checked on the default action.
    """

    successors: dict[str, Node[Any, Any]]
    predicates: list[tuple[Predicate, Node[Any, Any]]]

    def next(self, node: AnyNode, action: str = DEFAULT) -> AnyNode:
        """Add an edge: *action* leads to *node*. Returns *node*. ``a >> b`` and ``a - "action" >> b`` do the same."""
        check_node(node, "an edge leads to")
        action = action or DEFAULT
        if not isinstance(action, str):
            raise TypeError(f"an action is text, not {action!r:.200}")
        if action in self.successors:
            warnings.warn(f"Overwriting successor for action '{action}'", stacklevel=2)
        self.successors[action] = node
        return node

    def when(self, predicate: Predicate, node: AnyNode) -> AnyNode:
        """Go to *node* if ``predicate(shared)`` is true when this node ends with the default action. Returns *node*.

        Predicates are called in the order they were added, before the default edge. They must be sync and fast, and
        cannot be sent to workers.
        """
        check_node(node, "an edge leads to")
        if not callable(predicate) or is_async(predicate):
            raise TypeError("a predicate is a plain function of the shared store")
        self.predicates.append((predicate, node))
        return node

    def __rshift__(self, node: AnyNode) -> AnyNode:
        return self.next(node)

    def __sub__(self, action: str) -> Transition:
        return Transition(cast("Node[Any, Any]", self), action)


def check_node(node: Any, what: str) -> None:
    """Raise TypeError if *node* is not a node; *what* is the beginning of the message."""
    if isinstance(node, Wired):
        return
    if inspect.isclass(node) and issubclass(node, Wired):
        raise TypeError(f"{node.__name__} is a class: give an instance of it, {node.__name__}(...)")
    raise TypeError(f"{what} a node, not {type(node).__name__}")
