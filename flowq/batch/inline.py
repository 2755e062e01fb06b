"""The inline executor: batches run in this process, with no server. Never here: how one item is run (runner)."""

from __future__ import annotations

import contextvars
import logging
import threading
from collections.abc import Iterator
from typing import Any
from weakref import WeakValueDictionary

from flowq.batch.executor import BatchJob, Handle, Progress, State
from flowq.batch.here import LocalBatch
from flowq.batch.outcome import Outcome
from flowq.batch.result import BatchResult
from flowq.core.drive import Steps
from flowq.errors import BatchError

_log = logging.getLogger("flowq")


class InlineExecutor:
    """Runs batches in this process.

    Async items run side by side, ``concurrency`` or else ``in_flight`` of them at once; blocking ones one after
    another, or in ``concurrency`` threads where that is given.

    Args:
        announce: say once, at INFO, that batches run here because nothing else was configured.
        sequential: one item at a time unless the policy gives a ``concurrency``, async items too.
    """

    def __init__(self, *, announce: bool = False, sequential: bool = False) -> None:
        self._announce = announce
        self._sequential = sequential
        # Submitting a key again attaches to its batch for as long as anybody holds on to that.
        self._by_key: WeakValueDictionary[str, InlineHandle] = WeakValueDictionary()
        self._lock = threading.Lock()

    def execute(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """See ``Executor.execute``."""
        self._say_once()
        batch = LocalBatch.of(job, sequential=self._sequential)
        result: BatchResult[Any] = yield batch.run, ()
        result.raise_for(job.policy.on_error, job.policy.max_failures)
        return result

    def submit(self, job: BatchJob) -> Handle[Any]:
        """Run *job* in a thread of its own. The program does not end before the batch does, unless it is cancelled."""
        self._say_once()
        with self._lock:
            known = None if job.key is None else self._by_key.get(job.key)
            if known is not None:
                return known
            handle = InlineHandle(LocalBatch.of(job, sequential=self._sequential))
            if job.key is not None:
                self._by_key[job.key] = handle
        handle.start()
        return handle

    def _say_once(self) -> None:
        if self._announce:
            self._announce = False
            _log.info(
                "flowq: batches run in this process. For worker processes use `with flowq.LocalCluster():`; "
                "for a fleet set FLOWQ_BROKER_URL."
            )


class InlineHandle:
    """A batch that runs in a thread of this process."""

    def __init__(self, batch: LocalBatch) -> None:
        self._batch = batch
        self._result: BatchResult[Any] | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()

    @property
    def id(self) -> str:
        """The batch's id."""
        return self._batch.id

    def start(self) -> None:
        """Begin; once."""
        context = contextvars.copy_context()
        threading.Thread(target=context.run, args=(self._run,), name=f"flowq-batch-{self.id}").start()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the batch has ended, at most *timeout* seconds; whether it has."""
        return self._ended.wait(timeout)

    def progress(self) -> Progress:
        """Where the batch stands."""
        return self._batch.progress(self._state())

    def result(self) -> BatchResult[Any]:
        """Block until the batch has ended and hand over its result.

        Raises:
            BatchError: what ``on_error`` and ``max_failures`` say is raised.
        """
        self._ended.wait()
        if self._result is None:
            assert self._error is not None
            raise self._error
        policy = self._batch.policy
        self._result.raise_for(policy.on_error, policy.max_failures)
        return self._result

    def cancel(self) -> None:
        """End the batch: what has no outcome yet reads as cancelled. Idempotent."""
        self._batch.close("cancelled")

    def as_completed(self) -> Iterator[Outcome]:
        """The outcomes as they come, until the batch has ended; none is raised."""
        return self._batch.log.outcomes()

    def _run(self) -> None:
        try:
            self._result = self._batch.run()
        except BaseException as error:  # whoever asks for the result gets it
            self._error = error
        finally:
            self._ended.set()
            self._batch.log.close()

    def _state(self) -> State:
        if not self._ended.is_set():
            return "running"
        if self._batch.reason == "cancelled":
            return "cancelled"
        if self._result is None:
            return "failed"
        try:
            self._result.raise_for(self._batch.policy.on_error, self._batch.policy.max_failures)
        except BatchError:
            return "failed"
        return "succeeded"
