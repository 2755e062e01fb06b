"""The port through which a batch is executed: what an executor must offer, and which one is active in this process.

Never here: an implementation. Inline lives in inline.py, the one over Celery in the engine.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from flowq.batch.following import Stream
from flowq.batch.outcome import Outcome
from flowq.batch.policy import BatchPolicy
from flowq.batch.result import BatchResult
from flowq.core.drive import Steps
from flowq.core.node import Node
from flowq.core.runs import Run, handover

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout

R_co = TypeVar("R_co", covariant=True)
E = TypeVar("E", bound="Executor")

State = Literal["running", "paused", "succeeded", "failed", "cancelled"]


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch to execute.

    Attributes:
        node: what runs the items.
        items: what ``prep`` returned; checked by the executor.
        policy: how they are run.
        shared: the store a BatchFlow's items see; None for other nodes.
        label: the batch's name for people.
        key: the batch's identity, with its label: submitting both again attaches to the batch that is there.
        limit: only so many of the first items (None: all).
    """

    node: Fanout[Any, Any]
    items: Any
    policy: BatchPolicy
    shared: Any = None
    label: str = ""
    key: str | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a running item said of itself last.

    Attributes:
        done, total: as given to ``ctx.progress``, in a unit of the item's own; None where it has said nothing.
        at: when, in seconds since the epoch.
    """

    done: float | None = None
    total: float | None = None
    at: float = 0.0

    def __str__(self) -> str:
        if self.done is None:
            return "alive"
        return f"{self.done:g}" if self.total is None else f"{self.done:g}/{self.total:g}"


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a batch stands.

    Attributes:
        total: its items; None while their number is not known, as of a source that is still read. Of a batch that ended
            before its source, the items that were read.
        done: items with an outcome, ``ok + fallback + failed``.
        parked: items that wait for another try without a slot.
        running: items in flight.
        rate: items per second so far.
        eta_s: seconds until the end at this rate; None when it cannot be told.
        state: "running", "paused", then "succeeded", "failed" or "cancelled"; "cancelled" is a batch, too, whose source
            raised: what had no outcome has none. On workers one with a key stays "running" then, for a further submit.
        retried: items of those done that took several tries.
        reports: what items that run have said with ``ctx.progress``, by index.
    """

    total: int | None
    done: int
    ok: int
    fallback: int
    failed: int
    parked: int
    running: int
    rate: float
    eta_s: float | None
    state: State
    retried: int = 0
    reports: Mapping[int, Report] = field(default_factory=dict)


class Handle(Protocol[R_co]):
    """A batch that was submitted."""

    @property
    def id(self) -> str:
        """The batch's id."""
        ...

    @property
    def label(self) -> str:
        """Its name for people."""
        ...

    @property
    def node(self) -> str:
        """The name of the node whose items they are."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the batch has ended, at most *timeout* seconds; whether it has.

        Raises:
            Exception: what the source of its items raised.
        """
        ...

    def progress(self) -> Progress:
        """Where the batch stands; costs the same whatever its length."""
        ...

    def result(self, timeout: float | None = None) -> BatchResult[Any]:
        """Block until the batch has ended and hand over its result.

        Raises:
            TimeoutError: it has not ended within *timeout* seconds.
            BatchError: what ``on_error`` and ``max_failures`` say is raised.
        """
        ...

    def outcomes(self, *, inputs: bool = False) -> Iterator[Outcome]:
        """One outcome for each item known so far, in item order; what has none yet reads as cancelled.

        Args:
            inputs: with each item and its key, as far as those are still at hand.
        """
        ...

    def failures(self) -> Iterator[Outcome]:
        """The items that have failed so far, in item order, each with its input, error, traceback and attempts.

        Of a batch that is being redriven, only those that failed again are among them.
        """
        ...

    def cancel(self) -> None:
        """End the batch: what has no outcome yet reads as cancelled. Idempotent."""
        ...

    def pause(self) -> None:
        """Begin nothing more until ``resume``; items that run end, and count. Idempotent."""
        ...

    def resume(self) -> None:
        """Go on after ``pause``. Idempotent."""
        ...

    def retry_failed(self) -> Handle[R_co]:
        """Run what failed or was cancelled once more; this handle. Nothing happens while the batch runs."""
        ...

    def as_completed(self, *, free: bool = False) -> Stream[Outcome]:
        """The outcomes as they come, until the batch has ended. *free*: keep none that was read.

        What an item raised is in its outcome; what the source of the items raised is raised.
        """
        ...

    def results(self, *, free: bool = False) -> Stream[Any]:
        """The values in item order, each once all before it are there. *free*: keep none that was read.

        Raises (while it is read):
            BatchError: at the first item without a value, where ``result`` raises it.
        """
        ...


class Executor(Protocol):
    """Executes batches."""

    def execute(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """Execute *job* to its end, as steps that a sync or an async driver takes.

        Raises:
            BatchError: what the policy's ``on_error`` and ``max_failures`` say is raised.
        """
        ...

    def submit(self, job: BatchJob) -> Handle[Any]:
        """Start *job* and come back at once."""
        ...

    def submit_run(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> Run:
        """Start a durable run of *flow* over the store *shared* and come back at once; see ``Flow.submit``."""
        ...


class ActiveExecutor:
    """The executors that were activated and not deactivated yet, and what stands under them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stack: list[Executor] = []
        self._factory: Callable[[], Executor] | None = None
        self._default: Executor | None = None

    def get(self) -> Executor:
        with self._lock:
            if self._stack:
                return self._stack[-1]
            if self._default is None:
                self._default = _inline() if self._factory is None else self._factory()
            return self._default

    def push(self, executor: Executor) -> None:
        with self._lock:
            self._stack.append(executor)

    def remove(self, executor: Executor) -> None:
        with self._lock:
            for at in reversed(range(len(self._stack))):
                if self._stack[at] is executor:
                    del self._stack[at]
                    return

    def set_default(self, factory: Callable[[], Executor] | None) -> None:
        with self._lock:
            self._factory, self._default = factory, None


_active = ActiveExecutor()


def active() -> Executor:
    """The executor that was activated last; with none, the default one: inline, unless ``set_default`` said else."""
    return _active.get()


def activate(executor: Executor) -> None:
    """Make *executor* the active one of this process, until ``deactivate(executor)``.

    Raises:
        TypeError: it is none.
    """
    if not all(callable(getattr(executor, act, None)) for act in ("execute", "submit")):
        raise TypeError(
            "activate takes an executor, such as flowq.connect(…), or .executor of a started LocalCluster, not "
            f"{type(executor).__name__}"
        )
    _active.push(executor)


def deactivate(executor: Executor) -> None:
    """Take back the latest ``activate(executor)``; nothing happens if there is none."""
    _active.remove(executor)


@contextmanager
def activated(executor: E) -> Iterator[E]:
    """*executor* is the active one of this process, within the block."""
    activate(executor)
    try:
        yield executor
    finally:
        deactivate(executor)


def set_default(factory: Callable[[], Executor] | None) -> None:
    """What makes the executor used when none is activated; called once, when first needed (None: inline)."""
    _active.set_default(factory)


handover.accept(lambda flow, shared, key, label: active().submit_run(flow, shared, key, label))


def _inline() -> Executor:
    # Inline executes jobs, so it imports this module; the port must not need it to be imported.
    from flowq.batch.inline import InlineExecutor

    return InlineExecutor(announce=True)
