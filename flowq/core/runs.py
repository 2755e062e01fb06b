"""What submitting a flow gives: the port of a durable run, and its result. Never how a run is carried on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from flowq.core.given import require_store
from flowq.core.graph import reachable
from flowq.core.run_result import RunResult
from flowq.errors import FlowError

if TYPE_CHECKING:
    from flowq.core.node import Node

RunStatus = Literal["running", "paused", "parked", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The state that a run kept after a node.

    Attributes:
        number: nodes that were done then, from 1; what ``resume(from_step=…)`` takes.
        node: its name.
        action: what it returned.
        at_s: when, in seconds since the epoch; seconds: since the one before, waits included.
        generation: 0 for the first time, then one more with every resume.
    """

    number: int
    node: str
    action: str | None
    at_s: float
    seconds: float
    generation: int


class Run(Protocol):
    """A flow that was submitted. Several processes may hold one for the same run."""

    @property
    def id(self) -> str:
        """The run's id; ``flowq.get_run(id)`` finds it again."""
        ...

    @property
    def status(self) -> RunStatus:
        """Where it stands. "parked": it waits for a batch, an event or a retry, and holds no slot."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the run has ended, at most *timeout* seconds; whether it has."""
        ...

    def result(self, timeout: float | None = None) -> RunResult:
        """Block until the run has ended, and what it came to.

        Raises:
            TimeoutError: it has not ended within *timeout* seconds.
            RunCancelled: it was cancelled.
            Exception: what its failing node raised.
        """
        ...

    def history(self) -> list[Checkpoint]:
        """The nodes it is done with, in the order they were.

        On workers a node that was done again, after ``resume(from_step=…)``, is there with both its generations.
        """
        ...

    def events(self) -> Iterator[Checkpoint]:
        """:meth:`history`, and then further steps as they come, until the run has ended."""
        ...

    def send(self, name: str, value: Any = None) -> None:
        """Send the event *name* (one word), for which a node waits with ``await ctx.wait_for(name)``, or will."""
        ...

    def cancel(self) -> None:
        """End the run and all its batches. Idempotent."""
        ...

    def pause(self) -> None:
        """Begin nothing more until :meth:`resume`; what runs is finished. Idempotent."""
        ...

    def resume(self, from_step: int | None = None, *, fork: bool = False) -> Run:
        """Go on: a paused run; one that failed or was cancelled, with exactly what is missing.

        Args:
            from_step: go on after that many nodes instead, and run anew what came later, with further events. 0: from
                the start.
            fork: leave this run as it is, and let a new one go on from there.

        Returns:
            The run that goes on: this one, or the fork.

        Raises:
            FlowError: there is no such step, or the run has succeeded and *from_step* is not given.
        """
        ...


def nobody_receives(run_id: str, ended: RunStatus, event: str) -> FlowError:
    """What is raised for an event that is sent to a run that has ended."""
    how = "was cancelled" if ended == "cancelled" else f"has {ended}"
    return FlowError(f"{run_id} {how}: nobody receives the event {event!r} any more")


Submit = Callable[["Node[Any, Any]", Any, "str | None", "str | None"], Run]


class Handover:
    """Who takes flows that are submitted. Set once, by the layer that knows executors."""

    def __init__(self) -> None:
        self._submit: Submit | None = None

    def accept(self, submit: Submit) -> None:
        """Let *submit* take them."""
        self._submit = submit

    def submit(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> Run:
        """Hand *flow* over."""
        if self._submit is None:
            raise FlowError("nothing takes submitted flows: import flowq")
        require_store(shared)
        reachable(flow)  # what is no node is told here, and not by the thread or worker that walks
        return self._submit(flow, shared, key, label)


handover = Handover()
