"""The handle of a submitted flow, in any process: wait, result, history, events, resume. Never walks the flow."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.outcome import Outcome
from flowq.client.submitted import Submitted
from flowq.core.given import require_whole
from flowq.core.store.overlay import Overlay
from flowq.core.walks.run_result import RunResult, RunStep
from flowq.core.walks.runs import Checkpoint, RunStatus
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.ending.facts import awaited_events, children, send_event
from flowq.engine.fleet.presence import Fleet
from flowq.engine.patience import TROUBLE, when_there
from flowq.engine.reading.closings import Closings
from flowq.engine.reading.results import State, read_dones, status_of
from flowq.engine.stored.snapshots import Snapshots
from flowq.engine.walks.checkpoints import Checkpoints
from flowq.errors import FlowError, RunCancelled

EVENTS_EVERY_S = 0.3

T = TypeVar("T")


class DurableRun:
    """See :class:`~flowq.core.walks.runs.Run`. In the ledger a run is a batch of one item, with the run's id.

    Attributes:
        id: the run's id.
        label: its display name.
    """

    def __init__(self, connections: Connections, closings: Closings, header: Header, policy: BatchPolicy) -> None:
        self._connections, self._closings, self._header, self._policy = connections, closings, header, policy
        self._submitted = Submitted(connections, closings, header)
        self._kept = Checkpoints(connections, Snapshots(connections.redis, connections.keys), header)

    @property
    def id(self) -> str:
        return self._header.id

    @property
    def label(self) -> str:
        return self._header.label

    def __repr__(self) -> str:
        return f"<Run {self.id}>"

    @property
    def status(self) -> RunStatus:
        """See Run. Raises BatchLost when Redis no longer holds it, NoRedis when it does not answer."""
        return status_of(self.state())

    def state(self) -> State:
        """The ledger's counters, including crashes and losses."""
        with self._submitted.in_words():
            return self._submitted.state()

    def wait(self, timeout: float | None = None) -> bool:
        """See Run. Raises BatchLost if Redis no longer holds it."""
        return self._submitted.wait(timeout)

    def result(self, timeout: float | None = None) -> RunResult:
        """See Run. The store's values are fetched when they are read.

        Raises:
            TimeoutError: it has not ended within *timeout* seconds.
            RunCancelled: it was cancelled.
            BatchLost: Redis no longer holds it.
            NoRedis: Redis has not answered for 30 s while its result was read.
            Exception: raised by its failing node.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"run {self.id} has not ended within {timeout:g} s: {self._stands()}")
        end = when_there(self._connections, self._end)
        if end is None:
            raise RunCancelled(self.id)
        state, outcome, history, store = end
        if outcome.error is not None:
            outcome.error.add_note(f"in run {self.id}: mend the cause, then run.resume() does what is missing")
            raise outcome.error
        steps = tuple(RunStep(one.node, one.node, one.action, None, one.seconds) for one in _way(history))
        return RunResult("succeeded", outcome.output, None, store, steps, state.seconds)

    def _end(self) -> tuple[State, Outcome, list[Checkpoint], Overlay] | None:
        """The state, outcome, history and store of a run that has ended; None: it was cancelled.

        The run's own error is not raised here: it could be of a class that ``when_there`` takes for an absent Redis.
        """
        state = self._submitted.state()
        if state.state == "cancelled":
            return None
        (last,) = deque(read_dones(self._connections, self.id), maxlen=1)
        return state, last.outcome(0), self._history(), self._kept.store()

    def _stands(self) -> str:
        try:
            return f"it is {self.status}"
        except TROUBLE:
            return "Redis does not answer"

    def history(self) -> list[Checkpoint]:
        """See Run. Raises what ``status`` does, as ``awaits`` and ``batches`` do."""
        with self._submitted.in_words():
            return self._history()

    def _history(self) -> list[Checkpoint]:
        return self._found(self._kept.steps())

    def events(self) -> Iterator[Checkpoint]:
        """See Run. Waits for Redis while it is away, for 30 s, then raises NoRedis."""
        seen = (0, 0)
        while True:
            ended = self.wait(EVENTS_EVERY_S)
            # Compared by generation and number: the first steps of a long history are no longer kept.
            steps = when_there(self._connections, self._history)
            fresh = [one for one in steps if (one.generation, one.number) > seen]
            yield from fresh
            if fresh:
                seen = (fresh[-1].generation, fresh[-1].number)
            if ended:
                return

    def send(self, name: str, value: Any = None) -> None:
        """See Run.

        Raises:
            EncodeError: the value cannot be encoded.
            FlowError: the run has ended.
            NoRedis: Redis does not answer (so for the methods below); as far as is known, nothing was sent.
        """
        with self._submitted.in_words():
            send_event(self._connections, self.id, name, value)

    def awaits(self) -> list[str]:
        """See Run."""
        with self._submitted.in_words():
            return self._found(awaited_events(self._connections, self.id))

    def batches(self) -> list[str]:
        """The ids of the batches that it has started, for ``flowq.get_batch``."""
        with self._submitted.in_words():
            return self._found(sorted({*children(self._connections, self.id), *self._kept.waited_for()}))

    def _found(self, what: list[T]) -> list[T]:
        if not what:  # a lost run has none either: then this raises BatchLost
            self._submitted.state()
        return what

    def cancel(self) -> None:
        """See Run. Its batches end within a second."""
        self._submitted.ask("cancel")

    def pause(self) -> None:
        """See Run. Its batches pause within a second."""
        self._submitted.ask("pause")

    def resume(self, from_step: int | None = None, *, fork: bool = False) -> DurableRun:
        """See Run."""
        if from_step is not None:
            require_whole("from_step", from_step, 0)
        with self._submitted.in_words():
            return self._resumed(from_step, fork=fork)

    def _resumed(self, from_step: int | None, *, fork: bool) -> DurableRun:
        status = status_of(self._submitted.state())
        if status == "succeeded" and from_step is None:
            raise FlowError(f"run {self.id} has succeeded: say from which step it is to run again, from_step=0 for all")
        if fork:
            step = max((one.number for one in self._history()), default=0) if from_step is None else from_step
            slots = Fleet(self._connections.redis, self._connections.keys).slots(self._header.queue)
            header = self._kept.fork(self._policy, slots, self._kept.state_after(step))
            return DurableRun(self._connections, self._closings, header, self._policy)
        if from_step is not None:
            if not self._kept.begin_again(self._kept.state_after(from_step)):
                raise FlowError(f"run {self.id} is {status}: cancel it first, or give fork=True")
        else:
            self._submitted.ask("resume" if status == "paused" else "redrive")
        return self


def _way(history: Iterable[Checkpoint]) -> list[Checkpoint]:
    """The steps that led to the end of a run: those of *history* without what was done anew later."""
    way: list[Checkpoint] = []
    for step in history:
        while way and way[-1].number >= step.number:
            way.pop()
        way.append(step)
    return way
