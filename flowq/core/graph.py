"""The graph behind a node: its edges, and what can be reached along them. Reads only; wiring is node.py's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flowq.core.callables import label_of
from flowq.core.wiring import check_node

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

    Raises:
        TypeError: a flow was given something else to start with.
    """
    found: dict[int, Node[Any, Any]] = {}
    # A stack of its own: a chain of ten thousand nodes must not recurse.
    todo = [] if start is None else [start]
    while todo:
        node = todo.pop()
        if id(node) in found:
            continue
        check_node(node, "a flow starts with")  # that edges lead to nodes was seen to as they were wired
        found[id(node)] = node
        if node.is_plain and not node.predicates and node.start_node is None:
            todo.extend(reversed(node.successors.values()))  # as below, in a tenth of the time
            continue
        further = [*node.inside(), *node.successors.values(), *(target for _, target in node.predicates)]
        todo.extend(reversed(further))
    return list(found.values())


def labels(starts: Iterable[Node[Any, Any]]) -> dict[int, str]:
    """The nodes of one flow by id, as they are called there: their names, numbered where several share one."""
    found: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for node in level(starts):
        counts[node.name] += 1
        n = counts[node.name]
        found[id(node)] = node.name if n == 1 else f"{node.name}#{n}"
    return found


def level(starts: Iterable[Node[Any, Any]]) -> list[Node[Any, Any]]:
    """The nodes of one flow, from *starts* on, without the insides of those that have some. Each once, depth first."""
    found: dict[int, Node[Any, Any]] = {}
    todo = [*reversed(list(starts))]
    while todo:
        node = todo.pop()
        if id(node) not in found:
            found[id(node)] = node
            todo.extend(target for _, target in reversed(edges(node)))
    return list(found.values())


def paths(flow: Node[Any, Any]) -> dict[str, Node[Any, Any]]:
    """Every node inside *flow* by its path, ``Outer/Parse``. A flow that holds itself is not entered again."""
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
