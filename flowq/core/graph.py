"""The graph of a node: its edges, and the nodes reachable along them. Reads only; wiring is wiring.py."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flowq.core.callables import label_of
from flowq.core.wiring import check_node

if TYPE_CHECKING:
    from flowq.core.node import Node


def edges(node: Node[Any, Any]) -> list[tuple[str, Node[Any, Any]]]:
    """The edges that leave *node*: (label, target). Predicates come first, in the order they are evaluated."""
    guarded = [(predicate_label(predicate), target) for predicate, target in node.predicates]
    return guarded + list(node.successors.items())


def predicate_label(predicate: Callable[..., Any]) -> str:
    """The label of a predicate's edge in messages and drawings."""
    return f"when {label_of(predicate).rpartition('.')[2]}"


def reachable(start: Node[Any, Any] | None) -> list[Node[Any, Any]]:
    """*start* and every node reachable from it, including the nodes inside flows and other composite nodes.

    Depth first, along the edges in the order they were wired; each node once.

    Raises:
        TypeError: a flow's start is not a node.
    """
    found: dict[int, Node[Any, Any]] = {}
    # An explicit stack: a chain of ten thousand nodes must not hit the recursion limit.
    todo = [] if start is None else [start]
    while todo:
        node = todo.pop()
        if id(node) in found:
            continue
        check_node(node, "a flow starts with")  # the targets of edges were checked when they were wired
        found[id(node)] = node
        if node.is_plain and not node.predicates and node.start_node is None:
            todo.extend(reversed(node.successors.values()))  # the same as below, ten times as fast
            continue
        further = [*node.inside(), *node.successors.values(), *(target for _, target in node.predicates)]
        todo.extend(reversed(further))
    return list(found.values())


def labels(starts: Iterable[Node[Any, Any]]) -> dict[int, str]:
    """The label of each node of one flow, by ``id(node)``: its name, with a number if several nodes share it."""
    found: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for node in level(starts):
        counts[node.name] += 1
        n = counts[node.name]
        found[id(node)] = node.name if n == 1 else f"{node.name}#{n}"
    return found


def level(starts: Iterable[Node[Any, Any]]) -> list[Node[Any, Any]]:
    """The nodes of one flow, from *starts* on, without the nodes inside them. Each once, depth first."""
    found: dict[int, Node[Any, Any]] = {}
    todo = [*reversed(list(starts))]
    while todo:
        node = todo.pop()
        if id(node) not in found:
            found[id(node)] = node
            todo.extend(target for _, target in reversed(edges(node)))
    return list(found.values())


def paths(flow: Node[Any, Any]) -> dict[str, Node[Any, Any]]:
    """Every node inside *flow* by its path, ``Outer/Parse``. A flow that contains itself is not entered again."""
    found: dict[str, Node[Any, Any]] = {}
    todo: list[tuple[str, Node[Any, Any], frozenset[int]]] = [(flow.name, flow, frozenset((id(flow),)))]
    while todo:
        path, around, above = todo.pop(0)
        called = labels(around.inside())
        for node in level(around.inside()):
            found[f"{path}/{called[id(node)]}"] = node
            if id(node) not in above:
                todo.append((f"{path}/{called[id(node)]}", node, above | {id(node)}))
    return found
