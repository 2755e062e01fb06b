"""Executor: the interface for executing batches, and which executor is active in this process.

Implementations: inline/executor.py for this process, client/executor.py for workers.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from flowq.batch.following import Stream
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.outcome import Outcome
from flowq.batch.results.result import BatchResult
from flowq.core.drive import Steps
from flowq.core.node import Node
from flowq.core.walks.runs import Run, handover

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout

R = TypeVar("R")
E = TypeVar("E", bound="Executor")

State = Literal["running", "paused", "succeeded", "failed", "cancelled"]
UNENDED: tuple[State, ...] = ("running", "paused")
"""The states of a batch that may still get outcomes."""


@dataclass(frozen=True, slots=True)
class BatchJob:
    """One batch to execute.

    Attributes:
        node: the node that runs the items.
        items: the return value of ``prep``; the executor checks that it is iterable.
        policy: how the items are run.
        shared: the store of a BatchFlow's items; None for other nodes.
        label: the displayed name of the batch.
        key: identifies the batch together with its label: submitting both again attaches to the existing batch.
        limit: the number of first items to run (None: all).
        after_prep: whether the node's ``prep`` returned the items, and may have changed the node.
    """

    node: Fanout[Any, Any]
    items: Any
    policy: BatchPolicy
    shared: Any = None
    label: str = ""
    key: str | None = None
    limit: int | None = None
    after_prep: bool = False


@dataclass(frozen=True, slots=True)
class Report:
    """The last progress report of a running item.

    Attributes:
        done, total: the arguments of ``ctx.progress``, in a unit of the item's own; None if it was a heartbeat only.
        at: time of the report, in seconds since the epoch.
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
    """The progress of a batch.

    Attributes:
        total: number of items; None while the source is being read. If the batch ended before its source, the number of
            items read.
        done: number of items with an outcome, ``ok + fallback + failed``.
        parked: number of items that wait without a slot.
        running: number of items in flight.
        rate: items per second so far.
        eta_s: seconds until the end at this rate; None if unknown.
        state: "running" or "paused", finally "succeeded", "failed" or "cancelled". A batch whose source raised is
            "cancelled", too; on workers one with a key stays "running", so that it can be submitted again.
        retried: number of done items that took several tries.
        reports: the last reports of running items, by index.
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


class Handle(Protocol[R]):
    """A submitted batch."""

    @property
    def id(self) -> str:
        """The batch's id."""
        ...

    @property
    def label(self) -> str:
        """The displayed name of the batch."""
        ...

    @property
    def node(self) -> str:
        """The name of the batch's node."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the batch has ended, at most *timeout* seconds; returns whether it has ended.

        Raises:
            Exception: the exception that the source of the items raised.
        """
        ...

    def progress(self) -> Progress:
        """The progress of the batch, in constant time."""
        ...

    def result(self, timeout: float | None = None) -> BatchResult[R]:
        """Block until the batch has ended and return its result.

        Raises:
            TimeoutError: the batch has not ended within *timeout* seconds.
            BatchError: items failed, as ``on_error`` and ``max_failures`` say.
        """
        ...

    def outcomes(self, *, inputs: bool = False) -> Iterator[Outcome]:
        """One outcome for each item known so far, in item order; items without one are "cancelled".

        Args:
            inputs: include the item and its key, if still available.
        """
        ...

    def failures(self) -> Iterator[Outcome]:
        """The items that have failed so far, in item order, each with its input, error, traceback and attempts.

        During a redrive, only the items that failed again are included.
        """
        ...

    def cancel(self) -> None:
        """End the batch: items without an outcome are cancelled. Idempotent."""
        ...

    def pause(self) -> None:
        """Start no further item until ``resume``; running items finish and count. Idempotent."""
        ...

    def resume(self) -> None:
        """Continue after ``pause``. Idempotent."""
        ...

    def retry_failed(self) -> Handle[R]:
        """Redrive: run failed and cancelled items again; no effect while the batch runs. Returns this handle."""
        ...

    def as_completed(self, *, free: bool = False) -> Stream[Outcome]:
        """Yield outcomes as items end, until the batch has ended. *free*: delete outcomes that were read.

        An item's exception is in its outcome; an exception of the source of the items is raised.
        """
        ...

    def results(self, *, free: bool = False) -> Stream[R]:
        """Yield the values in item order as they become available. *free*: delete values that were read.

        Raises (while iterating):
            BatchError: at the first item without a value, if ``result`` would raise it.
        """
        ...


class Executor(Protocol):
    """Executes batches."""

    def execute(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """Execute *job* to its end, as steps for a sync or an async driver.

        Raises:
            BatchError: items failed, as the policy's ``on_error`` and ``max_failures`` say.
        """
        ...

    def submit(self, job: BatchJob) -> Handle[Any]:
        """Start *job* and return at once."""
        ...

    def submit_run(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> Run:
        """Start a durable run of *flow* on the store *shared* and return at once; see ``Flow.submit``."""
        ...


class ActiveExecutor:
    """The stack of activated executors, and the default one."""

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
                assert self._factory is not None  # set by flowq/__init__.py
                self._default = self._factory()
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

    def set_default(self, factory: Callable[[], Executor]) -> None:
        with self._lock:
            self._factory, self._default = factory, None


_active = ActiveExecutor()


def active() -> Executor:
    """The executor that was activated last, else the default one."""
    return _active.get()


def activate(executor: Executor) -> None:
    """Make *executor* the active one of this process, until ``deactivate(executor)``.

    Raises:
        TypeError: *executor* is not an Executor.
    """
    if not all(callable(getattr(executor, act, None)) for act in ("execute", "submit")):
        raise TypeError(
            "activate takes an executor, such as flowq.connect(…), or .executor of a started LocalCluster, not "
            f"{type(executor).__name__}"
        )
    _active.push(executor)


def deactivate(executor: Executor) -> None:
    """Undo the latest ``activate(executor)``; no effect if there is none."""
    _active.remove(executor)


@contextmanager
def activated(executor: E) -> Iterator[E]:
    """Make *executor* the active one of this process for the duration of the block."""
    activate(executor)
    try:
        yield executor
    finally:
        deactivate(executor)


def set_default(factory: Callable[[], Executor]) -> None:
    """Set the factory of the default executor, called once, when it is first needed."""
    _active.set_default(factory)


handover.accept(lambda flow, shared, key, label: active().submit_run(flow, shared, key, label))
