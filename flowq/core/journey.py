"""A walk that can be left where it has to wait, and taken up there by another process. Never what is stored, or where.

A walk's state is a stack of frames, one for each flow that is under way, the outermost first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flowq.core import graph
from flowq.core.drive import ControlFlow
from flowq.errors import FlowError

if TYPE_CHECKING:
    from flowq.core.flow import Flow
    from flowq.core.node import Node

ENDED = -1
AGAIN_S = 5.0
"""After so long an item is begun again that could not reach what it needs."""


class Left(ControlFlow):
    """The walk was left: it waits, and holds nothing. Caught by whoever takes items through their tries, by no retry.

    Attributes:
        reason: one word: "batch", "event".
        facts: names of what it waits for, whichever is there first.
        reached: the state to go on from, encoded.
        due_in_s: after so long it goes on by itself (None: never).
    """

    def __init__(self, reason: str, facts: tuple[str, ...], reached: bytes, due_in_s: float | None = None) -> None:
        super().__init__(f"waits for {', '.join(facts)}")
        self.reason, self.facts, self.reached, self.due_in_s = reason, facts, reached, due_in_s


class OutOfReach(ControlFlow):
    """What a walk needs could not be read or kept, and it has waited for long. No try, fallback or item ends with it:
    whoever knows where the item stands leaves it there, see ``left``.
    """

    def left(self, reached: bytes) -> Left:
        """The item waits, and goes on from *reached* as the same try."""
        return Left(str(self), (), reached, AGAIN_S)


@dataclass(slots=True)
class Frame:
    """How far one flow has come.

    Attributes:
        at: number of the node to visit next among the journey's nodes; ``ENDED`` when there is none.
        visits: nodes visited so far.
        action: what the last of them returned.
        attempt: number of the flow's own try, from 0.
        begun: whether its ``prep`` has run; prep_res: what that returned.
    """

    at: int
    visits: int = 0
    action: str | None = None
    attempt: int = 0
    begun: bool = False
    prep_res: Any = None

    def to_plain(self) -> tuple[Any, ...]:
        """Plain data for the codec; ``Frame(*plain)`` is the reverse."""
        return self.at, self.visits, self.action, self.attempt, self.begun, self.prep_res


class Journey:
    """One walk over the graph of *root*, under way. What reaches a store or a batch is the engine's subclass.

    Args:
        root: the flow that is walked.
        frames: where it stands, to go on from there; none to begin.

    Attributes:
        frames: where it stands now.
        steps: nodes that are done, those of nested flows included.
    """

    def __init__(self, root: Flow, frames: list[Frame] | None = None, steps: int = 0) -> None:
        self._nodes = graph.reachable(root.start_node)
        self._numbers = {id(node): number for number, node in enumerate(self._nodes)}
        self._ahead = frames or []
        self.frames: list[Frame] = []
        self.steps = steps

    def goes_on(self) -> bool:
        """Whether the flow that is entered next is under way, from before the walk was left."""
        return bool(self._ahead)

    def enter(self, flow: Flow) -> Frame:
        """*flow* is under way from here on: where it was left, or at its start."""
        frame = self._ahead.pop(0) if self._ahead else Frame(self.number(flow.start_node))
        self.frames.append(frame)
        return frame

    def leave(self) -> None:
        """The innermost flow is done."""
        self.frames.pop()

    def restart(self, flow: Flow, attempt: int) -> Frame:
        """The innermost flow, *flow*, begins anew with another try."""
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
            raise FlowError(f"{node.name} was wired while the flow ran: a run goes on in processes that do not know it")
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
        """Node *name* is done, and the frames tell what comes next. A durable run keeps it here."""
