"""Actions: the strings that name a node's edges, and ``a - "retry"``, an edge still without a target.

The walk along the edges is walks/flow.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from flowq.core.node import Node

DEFAULT = "default"

AnyNode = TypeVar("AnyNode", bound="Node")


class Transition:
    """The result of ``node - "action"``: an edge that ``>> target`` completes."""

    __slots__ = ("action", "source")

    def __init__(self, source: Node, action: str) -> None:
        if not isinstance(action, str):
            raise TypeError("Action must be a string")
        self.source = source
        self.action = action

    def __rshift__(self, target: AnyNode) -> AnyNode:
        return self.source.next(target, self.action)


def checked_action(action: Any, node_name: str) -> str | None:
    """*action*, which a node's ``post`` returned, if it is valid.

    Raises:
        TypeError: *action* is neither a string nor None; names the node.
    """
    if action is None or isinstance(action, str):
        return action
    raise TypeError(
        f"{node_name}.post returned {type(action).__name__}, not an action. "
        "Return the name of an edge (a string), or None for the default one; results belong in the shared store."
    )
