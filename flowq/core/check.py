"""What looks wrong with a flow before it runs. Reports; never repairs, and never runs a node."""

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
    """One sentence for each thing that looks wrong with *flow*.

    Args:
        connected: nodes that were wired through the flow, which should be reachable.
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
    """Actions that ``post`` declares as its return type (``Literal["ok", "retry"]``) and no edge takes."""
    if not node.successors and not node.predicates:
        return []
    try:
        returned = typing.get_type_hints(function_of(node.post)).get("return")
    except Exception:  # an annotation may name anything; then nothing is known
        return []
    missing = [action for action in _literals(returned) if action not in node.successors]
    return [f"{node.name}.post may return {action!r}, which leads nowhere" for action in missing]


def _literals(annotation: Any) -> list[str]:
    parts = typing.get_args(annotation)
    if typing.get_origin(annotation) is Literal:
        return [DEFAULT if part in (None, "") else part for part in parts]
    return [action for part in parts for action in _literals(part)]


def _stationary(flow: Node[Any, Any]) -> list[str]:
    """What keeps the flow from travelling to the workers; the first such thing."""
    try:
        spec_of(flow).content_hash()
    except CannotTravel as exc:
        return [str(exc)]
    return []
