"""Journey: a walk over a flow that can be left where it must wait, and continued by another process.

Its state is a stack of frames, one per flow under way, the outermost first. Where it is stored is the engine's matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowq.core import graph
from flowq.core.drive import ControlFlow
from flowq.errors import FlowError

if TYPE_CHECKING:
    from flowq.core.node import Node

ENDED = -1
AGAIN_S = 5.0
"""Seconds after which an item that could not reach what it needs is continued."""


class Left(ControlFlow):
    """Raised to leave a walk that must wait. The code that runs an item's tries catches it; retries do not.

    Attributes:
        reason: one word such as "batch" or "event", or a sentence.
        facts: names of the facts it waits for, any of which ends the wait; none if it waits for time only.
        reached: the encoded state to continue from.
        due_in_s: seconds after which the walk continues without a fact (None: never).
    """

    def __init__(self, reason: str, facts: tuple[str, ...], reached: bytes, due_in_s: float | None = None) -> None:
        super().__init__(f"waits for {', '.join(facts)}")
        self.reason, self.facts, self.reached, self.due_in_s = reason, facts, reached, due_in_s


class OutOfReach(ControlFlow):
    """Raised when the walk could not read or store what it needs for a long time. It does not count as a failed try:
    the caller that knows the item's state parks the item there, see ``left``.
    """

    def left(self, reached: bytes) -> Left:
        """The ``Left`` that parks the item for ``AGAIN_S`` and continues the same try from *reached*."""
        return Left(str(self), (), reached, AGAIN_S)


@dataclass(slots=True)
class Frame:
    """The position in one flow.

    Attributes:
        at: number of the next node among the journey's nodes; ``ENDED`` when there is none.
        visits: number of nodes visited so far.
        action: the action the last of them returned.
        attempt: number of the flow's own try, from 0.
        begun: whether the flow's ``prep`` has run; prep_res: its return value.
    """

    at: int
    visits: int = 0
    action: str | None = None
    attempt: int = 0
    begun: bool = False
    prep_res: Any = None

    def to_plain(self) -> tuple[Any, ...]:
        """Plain data for the codec; ``Frame(*plain)`` is the inverse."""
        return self.at, self.visits, self.action, self.attempt, self.begun, self.prep_res


class Journey:
    """A resumable walk over the graph of *root*. The engine's subclass adds checkpoints and batches.

    Args:
        root: the flow to walk.
        frames: the position to continue from; None to start.
        steps: number of nodes that are done at that position.

    Attributes:
        frames: the current position.
        steps: number of nodes that are done, those of nested flows included.
    """

    def __init__(self, root: Node[Any, Any], frames: list[Frame] | None = None, steps: int = 0) -> None:
        self._nodes = graph.reachable(root.start_node)
        self._numbers = {id(node): number for number, node in enumerate(self._nodes)}
        self._ahead = frames or []
        self.frames: list[Frame] = []
        self.steps = steps

    def continues(self) -> bool:
        """Whether the next flow entered was under way when the walk was left."""
        return bool(self._ahead)

    def enter(self, flow: Node[Any, Any]) -> Frame:
        """Enter *flow* and return its frame: the restored one, or a new one at its start."""
        frame = self._ahead.pop(0) if self._ahead else Frame(self.number(flow.start_node))
        self.frames.append(frame)
        return frame

    def leave(self) -> None:
        """Leave the innermost flow."""
        self.frames.pop()

    def restart(self, flow: Node[Any, Any], attempt: int) -> Frame:
        """Restart *flow*, the innermost one, for try *attempt*; returns its new frame."""
        old = self.frames[-1]
        self._ahead.clear()
        self.frames[-1] = Frame(self.number(flow.start_node), 0, None, attempt, old.begun, old.prep_res)
        return self.frames[-1]

    def number(self, node: Node[Any, Any] | None) -> int:
        """The node's number: the same in every process that builds the same graph."""
        if node is None:
            return ENDED
        number = self._numbers.get(id(node))
        if number is None:
            raise FlowError(
                f"{node.name} was wired while the flow ran: other processes that continue the run do not have it"
            )
        return number

    def node(self, number: int) -> Node[Any, Any] | None:
        """The node of this number."""
        if number == ENDED:
            return None
        if not 0 <= number < len(self._nodes):
            raise FlowError(
                f"the walk was left at node {number} of a graph of {len(self._nodes)}: the flow has changed"
            )
        return self._nodes[number]

    def reached(self, shared: Any, name: str) -> None:
        """Called after node *name* is done, with the frames updated. A durable run stores a checkpoint here."""
