"""Run: the interface of a durable run, as ``flow.submit`` returns it, and its checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from flowq.core.given import require_store
from flowq.core.graph import reachable
from flowq.core.walks.run_result import RunResult
from flowq.errors import FlowError

if TYPE_CHECKING:
    from flowq.core.node import Node

RunStatus = Literal["running", "paused", "parked", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint that a run stored after a node.

    Attributes:
        number: number of nodes done, from 1; the argument of ``resume(from_step=…)``.
        node: name of the node.
        action: the action it returned.
        at_s: time of the checkpoint, in seconds since the epoch.
        seconds: time since the checkpoint before, waits included.
        generation: 0 at first, one more after every resume.
    """

    number: int
    node: str
    action: str | None
    at_s: float
    seconds: float
    generation: int


class Run(Protocol):
    """A submitted flow. Several processes may hold a handle of the same run."""

    @property
    def id(self) -> str:
        """The run's id; ``flowq.get_run(id)`` finds it again."""
        ...

    @property
    def status(self) -> RunStatus:
        """The current status. "parked": the run waits for a batch, an event or a retry, and holds no slot."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the run has ended, at most *timeout* seconds; returns whether it has ended."""
        ...

    def result(self, timeout: float | None = None) -> RunResult:
        """Block until the run has ended, and return its result.

        Raises:
            TimeoutError: the run has not ended within *timeout* seconds.
            RunCancelled: the run was cancelled.
            Exception: the exception of the node that failed.
        """
        ...

    def history(self) -> list[Checkpoint]:
        """The checkpoints of the nodes that are done, in order.

        On workers, a node that ran again after ``resume(from_step=…)`` is included with both generations.
        """
        ...

    def events(self) -> Iterator[Checkpoint]:
        """Yield :meth:`history`, and then further checkpoints as they are stored, until the run has ended."""
        ...

    def send(self, name: str, value: Any = None) -> None:
        """Send the event *name* (one word) to a node that waits, or will wait, with ``await ctx.wait_for(name)``."""
        ...

    def awaits(self) -> list[str]:
        """The names of the events that it is waiting for, for :meth:`send`."""
        ...

    def cancel(self) -> None:
        """End the run and all its batches. Idempotent."""
        ...

    def pause(self) -> None:
        """Start no further node until :meth:`resume`; what is running finishes. Idempotent."""
        ...

    def resume(self, from_step: int | None = None, *, fork: bool = False) -> Run:
        """Continue a paused, failed or cancelled run; only what is missing runs.

        Args:
            from_step: continue after this number of nodes instead; later nodes run again, and get further events. 0 is
                the start.
            fork: leave this run as it is and continue in a new one.

        Returns:
            The run that continues: this one, or the fork.

        Raises:
            FlowError: there is no such step, or the run has succeeded and *from_step* is not given.
        """
        ...


def nobody_receives(run_id: str, ended: RunStatus, event: str) -> FlowError:
    """The error for an event that is sent to a run that has ended."""
    how = "was cancelled" if ended == "cancelled" else f"has {ended}"
    return FlowError(f"{run_id} {how}: nobody receives the event {event!r} any more")


Submit = Callable[["Node[Any, Any]", Any, "str | None", "str | None"], Run]


class Handover:
    """Forwards submitted flows to the function that runs them, which the executor layer sets at import."""

    def __init__(self) -> None:
        self._submit: Submit | None = None

    def accept(self, submit: Submit) -> None:
        """Set the function that runs submitted flows."""
        self._submit = submit

    def submit(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> Run:
        """Submit *flow* through that function; raises FlowError if none is set."""
        if self._submit is None:
            raise FlowError("nothing takes submitted flows: import flowq")
        require_store(shared)
        reachable(flow)  # raises for a start that is not a node here, rather than in the thread or worker that runs it
        return self._submit(flow, shared, key, label)


handover = Handover()
