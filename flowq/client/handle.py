"""A submitted batch, from any process: wait, progress, result, as_completed, cancel. Never runs an item."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Generic, TypeVar

from flowq.batch.chunk import Done
from flowq.batch.executor import Progress
from flowq.batch.following import Stream
from flowq.batch.outcome import Outcome
from flowq.batch.policy import BatchPolicy
from flowq.batch.result import BatchResult
from flowq.batch.values import Values
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
    """A batch on the workers. Cheap; several processes may hold one for the same batch.

    The handle of a batch that runs in one process offers the same, but for what tells of Redis and the workers:
    ``state``, ``held``, ``commits``, ``header``, ``queue``, ``modules``, ``is_fed_here`` and ``reading_ahead``.

    Attributes:
        id: the batch's id, as Flower and the ledger have it.
        label: its name for people.
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
        """What the batch is, as Redis has it."""
        return self._header

    @property
    def label(self) -> str:
        return self._header.label

    @property
    def node(self) -> str:
        """The name of the node whose items they are."""
        return self._header.node

    @property
    def queue(self) -> str:
        """The queue that its workers consume."""
        return self._header.queue

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules its node classes are in, which its workers import."""
        spec = FlowSpec.from_plain(loads(self._header.spec))
        return tuple(dict.fromkeys(one.node.partition(":")[0] for one in spec.nodes))

    @property
    def is_fed_here(self) -> bool:
        """Whether a thread of this process still gives it its items: without this process the batch would stand."""
        return self._feeding is not None and self._feeding.under_way

    def __repr__(self) -> str:
        return f"<BatchHandle {self.id}>"

    def wait(self, timeout: float | None = None) -> bool:
        """Block until the batch has ended, at most *timeout* seconds; whether it has.

        Raises:
            BatchLost: Redis no longer holds it.
            RedisFull, NoRedis: its items could not all be written; see ``submit``.
            Exception: what the source of its items raised.
        """
        return self._submitted.wait(timeout, feeding=self._feeding, ahead=self._ahead)

    def reading_ahead(self) -> BatchHandle[R]:
        """This handle for one thread: its ``wait`` reads what is committed meanwhile, and its ``result`` has that."""
        handle = copy.copy(self)
        handle._ahead = ReadAhead(self._connections, self.id)
        return handle

    def state(self) -> State:
        """The ledger's counters, crashes and losses included.

        Raises:
            BatchLost: Redis no longer holds the batch.
            NoRedis: Redis does not answer; another ConfigError: it refuses. So it is with all that looks at the batch.
        """
        with self._submitted.in_words():
            return self._submitted.state()

    def _state_when_there(self) -> State:
        return when_there(self._connections, self._submitted.state)

    def ended_well(self, state: State) -> bool:
        """Whether the batch has succeeded, in *state*, as its policy has it: redriven, it runs on whatever fails."""
        if state.state != "succeeded" or self._policy.on_error == "collect":
            return state.state == "succeeded"
        n = self._length(state)
        return n == state.avail and state.failed <= self._policy.failures_allowed(n)

    def progress(self) -> Progress:
        """Where the batch stands; costs the same whatever its length."""
        state = self.state()
        if state.closed:
            return progress_of(state, self._total)
        with self._submitted.in_words():
            reports = read_reports(self._connections, self.id, lambda: set(self.held().values()))
        return replace(progress_of(state, self._total), reports=reports)

    def result(self, timeout: float | None = None) -> BatchResult[R]:
        """Block until the batch has ended and hand over its result.

        Raises:
            TimeoutError: it has not ended within *timeout* seconds.
            BatchError: what ``on_error`` and ``max_failures`` say is raised; its ``.results`` has the finished work.
            MergeConflict: two items of a BatchFlow contradict each other.
            ResultsFreed: they were dropped as they were read.
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
        # Which items: the ledger knows. Of a result that was read before somebody redrove it, none may be left.
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
            free: drop from Redis what was read, so that the results of a long batch never lie there all at once. Who
                reads on after a crash gets some outcomes again. ``result`` is not to be had any more.

        Raises (while it is read):
            ResultsFreed: results were freed as they were read before, and *free* is not given.
            BatchLost: Redis no longer holds the batch.
            Exception: what ended the feeding, see ``wait``. What an item raised is in its outcome.
        """
        return Stream(self._reading(free).outcomes())

    def results(self, *, free: bool = False) -> Stream[R]:
        """The values in item order, each as soon as all before it are there; for ``for`` and for ``async for``.

        ``list(handle.results())`` is ``list(handle.result())``, with flat memory and without its outcomes.

        Args:
            free: as for ``as_completed``; who reads on after that begins with the first value that was not freed.

        Raises (while it is read):
            BatchError: at the first item without a value, where ``result`` raises it.
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
        """What ``result`` raises, for a reader who has come to the end of the values."""
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
        """One outcome for each item known so far, in item order, in flat memory; what has none yet reads as cancelled.

        Args:
            inputs: with each item and its key, which takes Redis longer.

        Raises:
            ResultsFreed: results were dropped as they were read.
            DecodeError: an item or a result is of a class that this process does not know: import its module.
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

        Only what they need is read. Of a batch that is being redriven, only those that failed again are among them.

        Raises:
            ResultsFreed: results were dropped as they were read.
            BatchLost: Redis no longer holds the batch.
            DecodeError: an item or a result is of a class that this process does not know: import its module.
        """
        with self._submitted.in_words():
            if was_freed(self._connections, self.id):
                raise ResultsFreed(self.id)
            require_kept(self._connections, self.id)  # or it would read as one in which nothing failed
        return self._submitted.told(
            with_inputs(read_failures(self._connections, self.id), self._stored(), self._key_of)
        )

    def _stored(self) -> Any:
        return StoredItems(self._connections, self.id) if self._inputs is None else self._inputs

    def commits(self) -> Iterator[Done]:
        """What was committed so far, in no order of items, a commit at a time; one that follows may stand over it.

        Raises:
            ResultsFreed: results were dropped as they were read.
            BatchLost: Redis no longer holds the batch.
        """
        with self._submitted.in_words():
            require_kept(self._connections, self.id)
            if was_freed(self._connections, self.id):
                raise ResultsFreed(self.id)
            return self._submitted.told(read_dones(self._connections, self.id))

    def held(self) -> dict[str, str]:
        """The chunks that somebody holds right now, by the holder's name (``worker@host/pid``).

        Raises:
            BatchLost: Redis no longer holds the batch.
        """
        with self._submitted.in_words():
            return read_holders(self._connections, self.id)

    def cancel(self) -> None:
        """End the batch: what has no outcome yet reads as cancelled. Idempotent.

        Items that run are told within a second or so. What is finished stays readable.

        Raises:
            NoRedis: Redis does not answer, as with the other acts; the batch runs on.
        """
        self._ask("cancel")

    def pause(self) -> None:
        """Begin nothing more until ``resume``; items that run end, and count. A deadline goes on. Idempotent.

        Raises:
            BatchLost: Redis no longer holds the batch.
        """
        self._ask("pause")

    def resume(self) -> None:
        """Go on after ``pause``. Idempotent.

        Raises:
            BatchLost: Redis no longer holds the batch.
        """
        self._ask("resume")

    def retry_failed(self) -> BatchHandle[R]:
        """Run what failed or was cancelled once more, as a further generation of this very batch; this handle.

        Wait for it, or ask for the result, as before: of items that succeeded then, nothing is run again, and every
        item keeps its ``ctx.idempotency_key``. However many fail again, the others are run. Nothing happens while the
        batch runs, or when no item is left to be run. Items that were not written yet when the batch ended are written
        now, from a sequence, by the handle that ``submit`` gave; another handle logs how many stay cancelled.

        Raises:
            BatchLost: Redis no longer holds the batch.
            ValueError: nor its items, which could not all be written.
        """
        if self._ask("redrive", feeds=self._rest is not None) != "ok":
            return self
        self._feeding = None  # what its source did not give is not part of the batch any more
        self._ahead = None  # it has seen the batch closed
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
