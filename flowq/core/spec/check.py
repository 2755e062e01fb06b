"""Static checks of a flow: likely mistakes, found without running a node. Reports only."""

from __future__ import annotations

import typing
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from flowq.core import graph
from flowq.core.actions import DEFAULT
from flowq.core.callables import function_of
from flowq.core.spec import spec_of
from flowq.errors import CannotTravel

if TYPE_CHECKING:
    from flowq.core.node import Node


def problems(flow: Node[Any, Any], connected: Iterable[Node[Any, Any]]) -> list[str]:
    """One sentence for each likely mistake in *flow*.

    Args:
        connected: the sources of edges made with ``flow.connect``, which should be reachable.
    """
    if flow.start_node is None:
        return [f"{flow.name} has no start node: give it one with Flow(start=...) or flow.start(node)"]
    nodes = graph.reachable(flow.start_node)
    found: list[str] = []
    inside = {id(node) for node in nodes}
    lost = {id(node): node for node in connected if id(node) not in inside}
    found += [f"{node.name} cannot be reached from the start" for node in lost.values()]
    for node in nodes:
        found += [*node.mistakes(), *_missing_actions(node)]
    return found + _stationary(flow)


def _missing_actions(node: Node[Any, Any]) -> list[str]:
    """Actions in the return annotation of ``post`` (``Literal["ok", "retry"]``) that have no edge."""
    if not node.successors and not node.predicates:
        return []
    try:
        returned = typing.get_type_hints(function_of(node.post)).get("return")
    except Exception:  # annotations may be anything; one that cannot be evaluated is not checked
        return []
    missing = [action for action in _literals(returned) if action not in node.successors]
    return [f"{node.name}.post may return {action!r}, which leads nowhere" for action in missing]


def _literals(annotation: Any) -> list[str]:
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return [DEFAULT if part in (None, "") else part for part in parts]
    return [action for part in parts for action in _literals(part)]


def _stationary(flow: Node[Any, Any]) -> list[str]:
    """The first reason why the flow cannot be sent to the workers, if there is one."""
    try:
        spec_of(flow).content_hash()
    except CannotTravel as exc:
        return [str(exc)]
    return []
