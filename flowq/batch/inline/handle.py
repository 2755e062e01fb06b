"""InlineHandle: the handle of a batch that runs in a thread of this process."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any
from weakref import WeakMethod

from flowq.batch.executor import Progress, State
from flowq.batch.following import Stream
from flowq.batch.inline.background import Background
from flowq.batch.inline.batch import InlineBatch
from flowq.batch.policies.reasons import CANCELLED
from flowq.batch.results.done import Done
from flowq.batch.results.in_item_order import ItemOrder, Span
from flowq.batch.results.outcome import Outcome
from flowq.batch.results.result import BatchResult
from flowq.batch.results.values import Values, plain_values
from flowq.core.drive import Call, Steps, drive
from flowq.core.given import seconds_of
from flowq.errors import BatchError, ItemCancelled, MergeConflict, ResultsFreed

_WAIT_S = 1.0


class InlineHandle:
    """The handle of a batch that runs in a thread of this process."""

    def __init__(self, batch: InlineBatch) -> None:
        self._batch = batch
        # So that this handle, if somebody holds it, tells of what its result has run again.
        batch.redrive = WeakMethod(self._redrive)
        self._result: BatchResult[Any] | None = None
        self._error: BaseException | None = None
        self._ended = threading.Event()
        self._read_upto = 0
        self._redriven = False
        # Progress counts of the items that a redrive does not run again, by field.
        self._standing: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def id(self) -> str:
        """The batch's id."""
        return self._batch.id

    @property
    def label(self) -> str:
        """The displayed name of the batch."""
        return self._batch.label

    @property
    def node(self) -> str:
        """The name of the batch's node."""
        return self._batch.node

    def __repr__(self) -> str:
        return f"<BatchHandle {self.id}>"

    @property
    def _broke_off(self) -> bool:
        """Whether it ended because the source of its items raised."""
        return self._ended.is_set() and self._batch.source_broke

    def start(self) -> None:
        """Start the batch; called once."""
        self._start(self._run)

    def _start(self, run: Callable[[], None]) -> None:
        context = contextvars.copy_context()
        Background(lambda: context.run(run), self, "batch").start()

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the batch has ended, at most *timeout* seconds; returns whether it has ended.

        Raises:
            Exception: the exception that the source of the items raised.
        """
        ended = self._ended.wait(seconds_of(timeout))
        # A MergeConflict does not stop the batch: `result` raises it.
        if ended and self._error is not None and not isinstance(self._error, MergeConflict):
            raise self._error
        return ended

    def progress(self) -> Progress:
        """The progress of the batch; in a redrive, with the rate of the redrive."""
        now = self._now.progress(self._state())
        if not self._redriven:
            return now
        return replace(now, **{name: getattr(now, name) + count for name, count in self._standing.items()})

    def result(self, timeout: float | None = None) -> BatchResult[Any]:
        """Block until the batch has ended and return its result.

        Raises:
            TimeoutError: the batch has not ended within *timeout* seconds.
            BatchError: items failed, as ``on_error`` and ``max_failures`` say.
            MergeConflict: two items of a BatchFlow made conflicting changes.
            ResultsFreed: results were read with ``free=True`` and deleted.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"batch {self.id} has not ended within {timeout:g} s")
        if self._result is None:
            assert self._error is not None
            raise self._error
        if self._batch.log.freed:
            raise ResultsFreed(self.id)
        policy = self._batch.policy
        self._result.raise_for(policy.on_error, policy.max_failures)
        return self._result

    def outcomes(self, *, inputs: bool = False) -> Iterator[Outcome]:
        """One outcome for each item known so far, in item order; items without one are "cancelled".

        During a redrive, the outcomes from before it.

        Args:
            inputs: include the item and its key, if still available.

        Raises:
            ResultsFreed: results were read with ``free=True`` and deleted.
        """
        if self._batch.log.freed:
            raise ResultsFreed(self.id)
        found = iter(self._known().items)
        return found if inputs else (replace(one, key=None, input=None) for one in found)

    def failures(self) -> Iterator[Outcome]:
        """The items that have failed so far, in item order, each with its input, error, traceback and attempts.

        Of a batch that is being redriven, only those that failed again are among them, once it has ended.

        Raises:
            ResultsFreed: results were dropped as they were read.
        """
        if self._batch.log.freed:
            raise ResultsFreed(self.id)
        if self._redriven and not self._ended.is_set():
            return iter(())
        return iter(self._known().failed)

    def _known(self) -> BatchResult[Any]:
        return self._batch.so_far() if self._result is None else self._result

    def cancel(self) -> None:
        """End the batch: items without an outcome are cancelled. Idempotent."""
        self._now.close(CANCELLED)

    def pause(self) -> None:
        """Start no further item until ``resume``; running items finish and count. Idempotent."""
        self._now.going.clear()

    def resume(self) -> None:
        """Continue after ``pause``. Idempotent."""
        self._now.going.set()

    def retry_failed(self) -> InlineHandle:
        """Redrive: run failed and cancelled items again; no effect while the batch runs. Returns this handle."""
        with self._lock:
            result = self._result
            if self._ended.is_set() and result is not None and (result.failed or result.cancelled):
                steps = result._retried(self._now.once_more)
                call = steps.send(None)  # from here on there is the run that acts are about
                self._standing, self._redriven = _standing(result), True
                self._ended.clear()
                self._start(lambda: self._run_again(steps, call))
        return self

    def _redrive(self) -> Steps[BatchResult[Any]]:
        result: BatchResult[Any] = yield self._redriven_result, ()
        return result

    def _redriven_result(self) -> BatchResult[Any]:
        self.retry_failed().wait()
        if self._result is None:
            assert self._error is not None
            raise self._error
        return self._result

    @property
    def _now(self) -> InlineBatch:
        """The run that cancel, pause and resume apply to: the batch, or its last redrive."""
        batch = self._batch
        while self._redriven and batch.again is not None:
            batch = batch.again
        return batch

    def as_completed(self, *, free: bool = False) -> Stream[Outcome]:
        """Yield outcomes as items end, until the batch has ended; none raises. *free*: drop outcomes that were read."""
        return Stream(self._outcomes(self._frees(free)))

    def results(self, *, free: bool = False) -> Stream[Any]:
        """Yield the values in item order as they become available. *free*: drop values that were read.

        Raises (while iterating):
            BatchError: at the first item without a value, if ``result`` would raise it.
        """
        return Stream(self._values(self._frees(free)))

    def _frees(self, free: bool) -> bool:
        return free and self._batch.policy.sink is None  # values in a sink take no memory

    def _outcomes(self, free: bool) -> Iterator[list[Outcome]]:
        log = self._batch.log
        self._first_to_read(free)
        if self._redriven:  # the log has the first generation only
            self._ended.wait()
            yield [] if self._result is None else [one for one in self._left(self._result) if one.status != "cancelled"]
            return
        for spans in self._following(free):
            for done in self._fetch(spans):
                yield list(done.outcomes())
            if free:
                log.drop(spans)
            if not spans:
                yield []
        if self._error is not None:
            raise self._error

    def _left(self, result: BatchResult[Any]) -> Sequence[Outcome]:
        """The outcomes that stand; what was dropped as it was read, and did not run again, reads as cancelled."""
        if not self._batch.log.freed:
            return result.items
        batch, runs = self._batch, self._batch.log.left()
        while batch.again is not None:
            batch = batch.again
            runs += batch.log.left()
        return BatchResult[Any].assemble(runs, len(result.items)).items

    def _values(self, free: bool) -> Iterator[list[Any]]:
        log = self._batch.log
        if self._redriven:
            yield self.result()
            return
        order, values = ItemOrder(self._there, self._first_to_read(free)), Values(self._batch.policy, plain_values)
        for spans in self._following(free):
            for span in spans:
                order.note(span)
            for piece in order.pieces(0):
                yield values.of(piece)
                if free:
                    log.drop(order.read)
                    self._read_upto = order.at
                order.read = []
                if values.broken:
                    break
            if not spans:
                yield []
        if self._result is None:
            assert self._error is not None
            raise self._error
        for piece in order.pieces(0, len(self._result.items)):
            yield values.of(piece)
        if not log.freed:
            self._result.raise_for(self._batch.policy.on_error, self._batch.policy.max_failures)
        elif self._batch.state != "succeeded" and self._batch.policy.on_error != "collect":
            # Dropped outcomes are no longer in the result: raise the errors that were read.
            errors = values.errors or {order.at: ItemCancelled(self._batch.reason)}
            raise BatchError(f"{self.label}: {self._batch.reason}, {log.failed} failed", errors)

    def _first_to_read(self, free: bool) -> int:
        if self._batch.log.freed and not free:
            raise ResultsFreed(self.id)
        return self._read_upto

    def _following(self, free: bool) -> Iterator[list[Span]]:
        """The logged spans, until the log is closed; raises ResultsFreed if another reader has dropped some."""
        before, ended = 0, False
        while not ended:
            spans, seen, ended = self._batch.log.take(before, _WAIT_S)
            if not free and len(spans) < seen - before:
                raise ResultsFreed(self.id)
            before = seen
            yield spans

    def _fetch(self, spans: Sequence[Span]) -> list[Done]:
        """The outcomes of *spans*; raises ResultsFreed if another reader has dropped them."""
        found = self._batch.log.fetch(spans)
        if len(found) < len(spans):
            raise ResultsFreed(self.id)
        return found

    def _there(self, spans: Sequence[Span]) -> list[Callable[[], Done]]:
        return [partial(_itself, done) for done in self._fetch(spans)]

    def _run(self) -> None:
        try:
            self._result = self._batch.run()
        except BaseException as error:  # raised by `result`
            self._error = error
        finally:
            self._ended.set()
            self._batch.log.close()

    def _run_again(self, steps: Steps[BatchResult[Any]], call: Call) -> None:
        try:
            self._result = drive(steps, call)
        except BaseException as error:  # as above
            self._result, self._error = None, error
        finally:
            self._ended.set()

    def _state(self) -> State:
        if not self._ended.is_set():
            return "running" if self._now.going.is_set() else "paused"
        if self._result is None and not isinstance(self._error, MergeConflict):
            return "cancelled" if self._batch.source_broke else "failed"
        if self._redriven:
            is_whole = self._result is None or not (self._result.cancelled or self._now.reason)
            return "succeeded" if is_whole else "cancelled"
        return self._batch.state


def _standing(result: BatchResult[Any]) -> dict[str, int]:
    """The progress counts of *result* without the items that run again."""
    stats = result.stats()
    kept, retried = stats.ok + stats.fallback, stats.retried - sum(one.attempts > 1 for one in result.failed)
    return {"total": kept, "done": kept, "ok": stats.ok, "fallback": stats.fallback, "retried": retried}


def _itself(done: Done) -> Done:
    return done
