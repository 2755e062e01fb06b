"""The graph behind a node: its edges, and what can be reached along them. Reads only; wiring is node.py's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowq.core.callables import label_of

if TYPE_CHECKING:
    from flowq.core.node import Node


def edges(node: Node[Any, Any]) -> list[tuple[str, Node[Any, Any]]]:
    """The edges that leave *node*: (label, target). Predicates come first, as they are asked first."""
    guarded = [(predicate_label(predicate), target) for predicate, target in node.predicates]
    return guarded + list(node.successors.items())


def predicate_label(predicate: Callable[..., Any]) -> str:
    """How messages and drawings call the edge of a predicate."""
    return f"when {label_of(predicate).rpartition('.')[2]}"


def reachable(start: Node[Any, Any] | None) -> list[Node[Any, Any]]:
    """*start* and every node that can be reached from it, the insides of flows and other nodes of nodes included.

    Depth first, along the edges in the order they were wired; each node once.
    """
    found: dict[int, Node[Any, Any]] = {}
    # A stack of its own: a chain of ten thousand nodes must not recurse.
    todo = [] if start is None else [start]
    while todo:
        node = todo.pop()
        if id(node) in found:
            continue
        found[id(node)] = node
        further = [*node.inside(), *node.successors.values(), *(target for _, target in node.predicates)]
        todo.extend(reversed(further))
    return list(found.values())
