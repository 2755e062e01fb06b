"""How nodes are wired: the edges that lead from one to the next. Never the walk along them (flow)."""

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
    """What has edges.

    Attributes:
        successors: the node that each action leads to.
        predicates: where to go on the default action, by what the store says.
    """

    successors: dict[str, Node[Any, Any]]
    predicates: list[tuple[Predicate, Node[Any, Any]]]

    def next(self, node: AnyNode, action: str = DEFAULT) -> AnyNode:
        """Let *action* lead to *node*; returns *node*. ``a >> b`` and ``a - "action" >> b`` are the same."""
        check_node(node, "an edge leads to")
        action = action or DEFAULT
        if not isinstance(action, str):
            raise TypeError(f"an action is text, not {action!r:.200}")
        if action in self.successors:
            warnings.warn(f"Overwriting successor for action '{action}'", stacklevel=2)
        self.successors[action] = node
        return node

    def when(self, predicate: Predicate, node: AnyNode) -> AnyNode:
        """Go to *node* if ``predicate(shared)`` holds when this node ends with the default action; returns *node*.

        Predicates are asked in the order they were added, before the default edge. They are plain, quick functions, and
        stay in the process that runs the flow.
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
    """Refuse what is no node; *what* begins the sentence that says so."""
    if isinstance(node, Wired):
        return
    if inspect.isclass(node) and issubclass(node, Wired):
        raise TypeError(f"{node.__name__} is a class: give an instance of it, {node.__name__}(...)")
    raise TypeError(f"{what} a node, not {type(node).__name__}")
