"""The handle of a submitted batch, in any process: wait, progress, result, as_completed, cancel. Never runs an item."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from flowq.batch.executor import Progress
from flowq.batch.following import Stream
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.done import Done
from flowq.batch.results.outcome import Outcome
from flowq.batch.results.result import BatchResult
from flowq.batch.results.values import Values
from flowq.client.counters import length_of, progress_of
from flowq.client.failures import read_failures
from flowq.client.feeding import Feeding
from flowq.client.outcomes import read_outcomes, with_inputs
from flowq.client.reading import Reading
from flowq.client.submitted import Submitted
from flowq.codec import loads
from flowq.core.drive import Steps
from flowq.core.spec import FlowSpec
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.ending.gather import put_together
from flowq.engine.known_sizes import Sizes
from flowq.engine.ledger import Control
from flowq.engine.patience import when_there
from flowq.engine.reading.closings import Closings
from flowq.engine.reading.read_ahead import ReadAhead
from flowq.engine.reading.results import State, read_dones, read_holders, reason_of, require_kept, was_freed
from flowq.engine.running.reports import read_reports
from flowq.engine.stored.stored_items import StoredItems
from flowq.errors import BatchError, ItemCancelled, ResultsFreed

R = TypeVar("R")

log = logging.getLogger("flowq")


class BatchHandle(Generic[R]):
    """A batch on the workers. Cheap to create; several processes may have handles of the same batch.

    The handle of a batch that runs in one process offers the same, except what concerns Redis and the workers:
    ``state``, ``held``, ``commits``, ``header``, ``queue``, ``modules``, ``is_fed_here`` and ``reading_ahead``.

    Attributes:
        id: the batch's id, as in Flower and the ledger.
        label: its display name.
    """

    def __init__(
        self,
        connections: Connections,
        closings: Closings,
        header: Header,
        policy: BatchPolicy,
        *,
        inputs: Any = None,
        total: int | None = None,
        key_of: Callable[[Any], str] | None = None,
        feeding: Feeding | None = None,
        rest: Callable[[State], Feeding] | None = None,
        learn: Callable[[Sizes], None] | None = None,
    ) -> None:
        self._connections, self._header = connections, header
        self._policy = policy
        self._inputs, self._total, self._key_of = inputs, total, key_of
        self._feeding, self._rest, self._learn = feeding, rest, learn
        self._ahead: ReadAhead | None = None
        self._submitted = Submitted(connections, closings, header, expires=policy.deadline is not None)

    @property
    def id(self) -> str:
        return self._header.id

    @property
    def header(self) -> Header:
        """The batch's header, as Redis holds it."""
        return self._header

    @property
    def label(self) -> str:
        return self._header.label

    @property
    def node(self) -> str:
        """The name of the batch's node."""
        return self._header.node

    @property
    def queue(self) -> str:
        """The queue that its workers consume."""
        return self._header.queue

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules of its node classes, which its workers import."""
        spec = FlowSpec.from_plain(loads(self._header.spec))
        return tuple(dict.fromkeys(one.node.partition(":")[0] for one in spec.nodes))

    @property
    def is_fed_here(self) -> bool:
        """Whether a thread of this process still writes its items: without this process the batch would not finish."""
        return self._feeding is not None and self._feeding.under_way

    def __repr__(self) -> str:
        return f"<BatchHandle {self.id}>"

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the batch has ended, at most *timeout* seconds; returns whether it has.

        Raises:
            BatchLost: Redis no longer holds it.
            RedisFull, NoRedis: its items could not all be written; see ``submit``.
            Exception: raised by the source of its items.
        """
        return self._submitted.wait(timeout, feeding=self._feeding, ahead=self._ahead)

    def reading_ahead(self) -> BatchHandle[R]:
        """A copy for one thread: its ``wait`` already reads what is committed meanwhile, for its ``result``."""
        handle = copy.copy(self)
        handle._ahead = ReadAhead(self._connections, self.id)
        return handle

    def state(self) -> State:
        """The ledger's counters, including crashes and losses.

        Raises:
            BatchLost: Redis no longer holds the batch.
            NoRedis: Redis does not answer. Another ConfigError: it refuses. The other methods that read the batch raise
                the same.
        """
        with self._submitted.in_words():
            return self._submitted.state()

    def _state_when_there(self) -> State:
        return when_there(self._connections, self._submitted.state)

    def ended_well(self, state: State) -> bool:
        """Whether *state* counts as success under the batch's policy, which a redriven batch's own state ignores."""
        if state.state != "succeeded" or self._policy.on_error == "collect":
            return state.state == "succeeded"
        n = self._length(state)
        return n == state.avail and state.failed <= self._policy.failures_allowed(n)

    def progress(self) -> Progress:
        """The batch's progress; its cost does not depend on the number of items."""
        state = self.state()
        if state.closed:
            return progress_of(state, self._total)
        with self._submitted.in_words():
            reports = read_reports(self._connections, self.id, lambda: set(self.held().values()))
        return replace(progress_of(state, self._total), reports=reports)

    def result(self, timeout: float | None = None) -> BatchResult[R]:
        """Block until the batch has ended and return its result.

        Raises:
            TimeoutError: it has not ended within *timeout* seconds.
            BatchError: as ``on_error`` and ``max_failures`` say; its ``.results`` has the finished work.
            MergeConflict: two items of a BatchFlow contradict each other.
            ResultsFreed: a reader has freed its results.
        """
        result = self._assembled(timeout)
        result.raise_for(self._policy.on_error, self._policy.max_failures)
        return result

    def _assembled(self, timeout: float | None = None) -> BatchResult[R]:
        ahead = self._ahead or ReadAhead(self._connections, self.id)
        closed = self._submitted.closed(timeout, feeding=self._feeding, ahead=ahead)
        if closed is None:
            raise TimeoutError(f"batch {self.id} has not ended within {timeout:g} s")
        state, fields, ahead = closed
        if self._learn is not None and state.ok:
            self._learn(state.sizes)
        if self._header.reduces and not self._submitted.aggregated(timeout):
            raise TimeoutError(f"batch {self.id} was not aggregated within {timeout:g} s")
        header = self._header
        return put_together(
            self._connections, self.id, state, ahead.dones(fields), self._length(state), self._policy,
            sink=bool(header.sink), reduces=header.reduces, label=self.label,
            cut_short=state.cut and self._total is None, inputs=self._inputs, key_of=self._key_of,
            again=self._run_again, over_store=header.manifest is not None,
        )  # fmt: skip

    def _run_again(self, _: Sequence[int]) -> Steps[BatchResult[R]]:
        # The ledger knows which items. If the batch was redriven since this result was read, there may be none.
        result: BatchResult[R] = yield self._redriven, ()
        return result

    def _redriven(self) -> BatchResult[R]:
        self.retry_failed()
        return self._assembled()

    def as_completed(self, *, free: bool = False) -> Stream[Outcome]:
        """The outcomes as they are committed, until the batch has ended; for ``for`` and for ``async for``.

        Any process may read, and several at once: each gets every outcome. Memory: a few commits at a time. Leaving
        the loop early leaves the batch running.

        Args:
            free: delete from Redis what was read, so that the results of a long batch are never there all at once. A
                reader that continues after a crash gets some outcomes again. ``result`` is then no longer available.

        Raises (during iteration):
            ResultsFreed: an earlier reader freed results, and *free* is not set.
            BatchLost: Redis no longer holds the batch.
            Exception: what ended the feeding, see ``wait``. An item's exception is in its outcome.
        """
        return Stream(self._reading(free).outcomes())

    def results(self, *, free: bool = False) -> Stream[R]:
        """The values in item order, each as soon as all before it are available; for ``for`` and for ``async for``.

        ``list(handle.results())`` is ``list(handle.result())``, with flat memory and without the outcomes.

        Args:
            free: as for ``as_completed``; a reader that continues begins with the first value that was not freed.

        Raises (during iteration):
            BatchError: at the first item without a value, if ``result`` raises it.
            Exception: as for ``as_completed``.
        """
        return Stream(self._reading(free).values(lambda: self._length(self._state_when_there()), self._raised))

    def _reading(self, free: bool) -> Reading:
        return Reading(
            self._connections, self.id, self._policy, self._check_feeding, free=free and not self._header.sink
        )

    def _check_feeding(self, ended: bool) -> None:
        if self._feeding is not None:
            self._feeding.check(wait=ended)

    def _length(self, state: State) -> int:
        return length_of(state, self._total)

    def _raised(self, values: Values) -> Exception | None:
        """What ``result`` raises, for a reader that has reached the end of the values."""
        state = self._state_when_there()
        if self._policy.on_error == "collect" or self.ended_well(state):
            return None
        try:
            self.result()
        except ResultsFreed:
            errors = values.errors or {self._length(state): ItemCancelled(reason_of(state, self._policy))}
            return BatchError(f"{self.label}: {reason_of(state, self._policy)}, {state.failed} failed", errors)
        except BatchError as error:
            return error
        return None

    def outcomes(self, *, inputs: bool = False) -> Iterator[Outcome]:
        """One outcome per item known so far, in item order, in flat memory; an item without one reads as cancelled.

        Args:
            inputs: include each item and its key, which takes longer.

        Raises:
            ResultsFreed: a reader has freed its results.
            DecodeError: the class of an item or result is unknown to this process: import its module.
        """
        with self._submitted.in_words():
            state = self._submitted.state()
            if was_freed(self._connections, self.id):
                raise ResultsFreed(self.id)
        why = reason_of(state, self._policy) or "it has no outcome yet"
        found = read_outcomes(self._connections, self.id, self._length(state), why)
        return self._submitted.told(with_inputs(found, self._stored(), self._key_of) if inputs else found)

    def failures(self) -> Iterator[Outcome]:
        """The items that have failed so far, in item order, each with its input, error, traceback, attempts and worker.

        Reads only what these need. While a batch is being redriven, it returns only those that failed again.

        Raises:
            ResultsFreed: a reader has freed its results.
            BatchLost: Redis no longer holds the batch.
            DecodeError: the class of an item or result is unknown to this process: import its module.
        """
        with self._submitted.in_words():
            if was_freed(self._connections, self.id):
                raise ResultsFreed(self.id)
            require_kept(self._connections, self.id)  # a lost batch would look like one without failures
        return self._submitted.told(
            with_inputs(read_failures(self._connections, self.id), self._stored(), self._key_of)
        )

    def _stored(self) -> Any:
        return StoredItems(self._connections, self.id) if self._inputs is None else self._inputs

    def commits(self) -> Iterator[Done]:
        """The commits so far, in no item order, one at a time; a later one may replace outcomes of an earlier one.

        Raises:
            ResultsFreed: a reader has freed its results.
            BatchLost: Redis no longer holds the batch.
        """
        with self._submitted.in_words():
            require_kept(self._connections, self.id)
            if was_freed(self._connections, self.id):
                raise ResultsFreed(self.id)
            return self._submitted.told(read_dones(self._connections, self.id))

    def held(self) -> dict[str, str]:
        """The chunks that are held at the moment: chunk id → holder (``worker@host/pid``).

        Raises:
            BatchLost: Redis no longer holds the batch.
        """
        with self._submitted.in_words():
            return read_holders(self._connections, self.id)

    def cancel(self) -> None:
        """End the batch: every item without an outcome then reads as cancelled. Idempotent.

        Running items are told within a second or so. Outcomes stay readable.

        Raises:
            NoRedis: Redis does not answer (so for the methods below); the batch runs on.
        """
        self._ask("cancel")

    def pause(self) -> None:
        """Begin no more items until ``resume``; running items end, and count. A deadline keeps running. Idempotent.

        Raises:
            BatchLost: Redis no longer holds the batch.
        """
        self._ask("pause")

    def resume(self) -> None:
        """Continue after ``pause``. Idempotent.

        Raises:
            BatchLost: Redis no longer holds the batch.
        """
        self._ask("resume")

    def retry_failed(self) -> BatchHandle[R]:
        """Run the failed and cancelled items once more, as the next generation of this batch; returns this handle.

        Then wait for it, or ask for the result, as before. Items that succeeded do not run again, and every item keeps
        its ``ctx.idempotency_key``. However many fail again, all others run. Does nothing while the batch runs, or if
        no item is left to run. Items of a sequence that were not written when the batch ended are written now, by the
        handle that ``submit`` returned; any other handle logs how many stay cancelled.

        Raises:
            BatchLost: Redis no longer holds the batch.
            ValueError: Redis no longer holds its items, because they could not all be written.
        """
        if self._ask("redrive", feeds=self._rest is not None) != "ok":
            return self
        self._feeding = None  # items that its source did not give no longer belong to the batch
        self._ahead = None  # it has read the previous close
        state = self._state_when_there()
        if self._rest is not None and not state.sealed:
            feeding = self._rest(state)
            self._feeding = feeding if feeding.is_apart else None
        elif self._length(state) > state.avail:
            log.warning(
                "%d items were not written when batch %s ended, and stay cancelled: submit them where they come from",
                self._length(state) - state.avail, self.id, extra={"batch": self.id},
            )  # fmt: skip
        return self

    def _ask(self, act: Control, *, feeds: bool = False) -> str:
        said = self._submitted.ask(act, feeds=feeds)
        if said == "gone":
            raise ValueError(f"batch {self.id} does not hold its items any more: run it again from its source")
        return said
