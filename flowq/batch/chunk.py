"""``Done``: what one run over consecutive items brought, the unit that one commit stores.

Plain first-try successes cost nothing but their place in ``values``. Never here: running items (runner) or
putting a batch together again (result).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from flowq.batch.outcome import Outcome
from flowq.batch.sink import PartValues

TIMED_FROM_S = 20e-6
"""Items that take less on the mean are not timed one by one: reading the clock would cost more than it tells."""


@dataclass(frozen=True, slots=True)
class Park:
    """An item that waits without a slot.

    Attributes:
        index: the item's place in the batch.
        tries: tries it has used.
        due_in_s: seconds until it goes on by itself (None: never).
        reason: for people.
        facts: names of what it waits for, whichever is there first; none: for its time alone.
        reached: how far it has come; goes into the ledger, not into what the run brought.
    """

    index: int
    tries: int
    due_in_s: float | None
    reason: str
    facts: tuple[str, ...] = ()
    reached: bytes = b""


class FlowItem(NamedTuple):
    """What an item of a BatchFlow brings, before the runner keeps its two parts apart.

    Attributes:
        value: the item's value.
        delta: what it changed in the store.
    """

    value: Any
    delta: Any


@dataclass(slots=True)
class ItemDone:
    """How one item ended: a plain success unless ``outcome`` or ``park`` says otherwise.

    Attributes:
        value: what ``exec`` or ``exec_fallback`` returned; None for a failed or a parked item.
        outcome: given for what is not a plain first-try success.
        park: given for an item that is to be tried again later.
        seconds: time spent on the item.
        delta: what a BatchFlow's item changed in the store.
    """

    value: Any = None
    outcome: Outcome | None = None
    park: Park | None = None
    seconds: float = 0.0
    delta: Any = None


@dataclass(slots=True)
class Done:
    """What one run over the items ``start … upto`` brought.

    Attributes:
        start: index of the first item.
        values: one value an item; None where ``notable`` says failed and where the item is parked. Read only where they
            stand in a part of a sink.
        notable: by index, what is not a plain first-try success: fallback, failed, ok after a retry. Its outcomes
            hold no output, which stands in ``values``; ``outcome(index)`` has both.
        seconds: wall time of the run.
        durations: seconds of each item; None when they took less than 20 µs on the mean.
        parked: items that wait for another try. They have no outcome yet and are not counted.
        worker: the process that ran them ("" for this one).
        started_at: when the run began, in seconds since the epoch.
        deltas: for a BatchFlow, what each item changed in the store, parallel to ``values``; else None.
        held_s: seconds that the items after these are held for; 0.0: they are not. It does not travel.
    """

    start: int
    values: list[Any] = field(default_factory=list)
    notable: dict[int, Outcome] = field(default_factory=dict)
    seconds: float = 0.0
    durations: array[float] | None = None
    parked: list[Park] = field(default_factory=list)
    worker: str = ""
    started_at: float = 0.0
    deltas: list[Any] | None = None
    held_s: float = 0.0

    @classmethod
    def gather(cls, start: int, items: Iterable[ItemDone], *, worker: str = "", started_at: float = 0.0) -> Done:
        """The consecutive *items* from *start* on as one Done; its ``seconds`` are the sum of theirs."""
        done = cls(start, worker=worker, started_at=started_at)
        times: array[float] = array("f")
        for item in items:
            done.add(item)
            times.append(item.seconds)
        done.seconds = sum(times)
        done.durations = times if done.seconds >= TIMED_FROM_S * len(times) else None
        return done

    def add(self, item: ItemDone) -> None:
        """One more item at the end; its time is the caller's to keep."""
        index = self.upto
        self.values.append(item.value)
        if item.outcome is not None:
            self.notable[index] = item.outcome
        elif item.park is not None:
            self.parked.append(item.park)
        if item.delta is not None or self.deltas is not None:
            deltas = self.deltas = self.deltas or []
            deltas.extend([None] * (len(self.values) - 1 - len(deltas)))
            deltas.append(item.delta)

    @property
    def upto(self) -> int:
        """Index after the last item."""
        return self.start + len(self.values)

    @property
    def item_seconds(self) -> float:
        """Seconds spent inside the items, summed."""
        return self.seconds if self.durations is None else sum(self.durations)

    def halves(self) -> tuple[Done, Done]:
        """Two runs that bring the same; of at least two items."""
        middle = len(self.values) // 2
        return self._part(0, middle, 0.0), self._part(middle, len(self.values), self.held_s)

    def _part(self, at: int, upto: int, held_s: float) -> Done:
        first, end = self.start + at, self.start + upto
        return Done(
            first, self.values[at:upto],
            {index: outcome for index, outcome in self.notable.items() if first <= index < end},
            self.seconds * (upto - at) / len(self.values),
            None if self.durations is None else self.durations[at:upto],
            [park for park in self.parked if first <= park.index < end],
            self.worker, self.started_at, None if self.deltas is None else self.deltas[at:upto], held_s,
        )  # fmt: skip

    def counts(self) -> dict[str, int]:
        """``ok``, ``fallback``, ``failed`` add up to the items that are not parked; ``retried`` took several tries."""
        fallback = failed = retried = 0
        for outcome in self.notable.values():
            fallback += outcome.status == "fallback"
            failed += outcome.status == "failed"
            retried += outcome.attempts > 1
        ok = len(self.values) - len(self.parked) - fallback - failed
        return {"ok": ok, "fallback": fallback, "failed": failed, "retried": retried}

    def time_of(self, index: int) -> float:
        """Seconds of the item at *index*, the mean of the run where items were not timed one by one."""
        if self.durations is not None:
            return self.durations[index - self.start]
        return self.seconds / len(self.values)

    def outcome(self, index: int, *, key: str | None = None, input: Any = None) -> Outcome:
        """The outcome of the item at *index*, which must lie in this run and not be parked."""
        if not self.start <= index < self.upto:
            raise IndexError(f"item {index} is not among {self.start} … {self.upto - 1}")
        noted = self.notable.get(index)
        return Outcome(
            index,
            "ok" if noted is None else noted.status,
            None if noted is not None and noted.status == "failed" else self.values[index - self.start],
            None if noted is None else noted.error,
            1 if noted is None else noted.attempts,
            self.time_of(index),
            self.worker,
            key,
            input,
        )

    def outcomes(self) -> Iterator[Outcome]:
        """The outcomes of the items that are not parked, in item order."""
        holes = {park.index for park in self.parked}
        return (self.outcome(index) for index in range(self.start, self.upto) if index not in holes)

    def to_plain(self) -> tuple[Any, ...]:
        """Plain data (and exceptions) for the codec."""
        return (
            self.start,
            # A list, or where it lies: nothing else that travels here is a tuple.
            (self.values.address, len(self.values)) if isinstance(self.values, PartValues) else self.values,
            [(each.index, each.status, each.attempts, each.error) for each in self.notable.values()],
            self.seconds,
            None if self.durations is None else _little_endian(self.durations).tobytes(),
            [(park.index, park.tries, park.due_in_s, park.reason) for park in self.parked],
            self.worker,
            self.started_at,
            self.deltas,
        )

    @classmethod
    def from_plain(cls, plain: tuple[Any, ...]) -> Done:
        """The reverse of ``to_plain``."""
        start, values, notable, seconds, durations, parked, worker, started_at, deltas = plain
        times: array[float] | None = None
        if durations is not None:
            times = array("f")
            times.frombytes(durations)
            times = _little_endian(times)
        done = cls(
            start=start,
            values=values,
            notable={
                index: Outcome(index, status, error=error, attempts=attempts)
                for index, status, attempts, error in notable
            },
            seconds=seconds,
            durations=times,
            parked=[Park(*park) for park in parked],
            worker=worker,
            started_at=started_at,
            deltas=deltas,
        )
        if isinstance(values, tuple):
            address, n = values
            # Only read from now on, as if it were the list.
            done.values = cast("list[Any]", PartValues(address, n, done.without_value()))
        return done

    def without_value(self) -> list[int]:
        """The places, in ascending order, of items without a value: they failed, or wait for another try."""
        failed = [index for index, outcome in self.notable.items() if outcome.status == "failed"]
        return sorted(index - self.start for index in {*failed, *(park.index for park in self.parked)})


def _little_endian(times: array[float]) -> array[float]:
    """*times* in the byte order that travels; its own reverse."""
    if sys.byteorder == "big":
        times = array("f", times)
        times.byteswap()
    return times
