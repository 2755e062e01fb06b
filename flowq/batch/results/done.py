"""Done: the outcomes of one range of items, the unit that one commit stores.

First-try successes cost nothing but their place in ``values``. Items are run by running/runner.py; result.py
assembles the Dones of a batch.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from flowq.batch.results.outcome import Outcome
from flowq.batch.results.sink import PartValues

TIMED_FROM_S = 20e-6
"""Items that take less on average are not timed one by one: reading the clock would cost too much."""


@dataclass(frozen=True, slots=True)
class Park:
    """A parked item: it waits without a slot.

    Attributes:
        index: the item's index in the batch.
        tries: number of tries it has used.
        due_in_s: seconds until it continues without a fact (None: never).
        reason: why it waits, for display.
        facts: names of the facts it waits for, any of which ends the wait; none if it waits for time only.
        reached: the encoded state to continue from; stored in the ledger, not in the Done.
    """

    index: int
    tries: int
    due_in_s: float | None
    reason: str
    facts: tuple[str, ...] = ()
    reached: bytes = b""


class FlowItem(NamedTuple):
    """The result of an item of a BatchFlow, which the runner splits into its two parts.

    Attributes:
        value: the item's value.
        delta: the item's changes to the store.
    """

    value: Any
    delta: Any


@dataclass(slots=True)
class ItemDone:
    """The end of one item's run: a first-try success unless ``outcome`` or ``park`` is set.

    Attributes:
        value: the return value of ``exec`` or ``exec_fallback``; None for a failed or a parked item.
        outcome: set for every outcome other than a first-try success.
        park: set for an item that is parked.
        seconds: time spent on the item.
        delta: the changes of a BatchFlow's item to the store.
    """

    value: Any = None
    outcome: Outcome | None = None
    park: Park | None = None
    seconds: float = 0.0
    delta: Any = None


@dataclass(slots=True)
class Done:
    """The outcomes of running the items ``start … upto - 1`` in one process.

    Attributes:
        start: index of the first item.
        values: one value per item; None for failed and parked items. Read-only if they are in a part of a sink.
        notable: by index, the outcomes other than first-try successes: fallback, failed, ok after a retry. They have no
            output, which is in ``values``; ``outcome(index)`` has both.
        seconds: wall time of the run.
        durations: seconds of each item; None if they took less than 20 µs on average.
        parked: the parked items. They have no outcome yet and are not counted.
        worker: the process that ran the items ("" for this one).
        started_at: when the run began, in seconds since the epoch.
        deltas: for a BatchFlow, the changes of each item to the store, parallel to ``values``; else None.
        held_s: seconds for which the items after these must not start; 0.0 if they may. Not encoded.
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
        """A Done of consecutive *items* from *start* on; its ``seconds`` are the sum of theirs."""
        done = cls(start, worker=worker, started_at=started_at)
        times: array[float] = array("f")
        for item in items:
            done.add(item)
            times.append(item.seconds)
        done.seconds = sum(times)
        done.durations = times if done.seconds >= TIMED_FROM_S * len(times) else None
        return done

    def add(self, item: ItemDone) -> None:
        """Append an item; the caller records its time."""
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

    def extend(self, following: Done) -> None:
        """Append the outcomes of the items that follow, run after these; not those of a BatchFlow."""
        if self.durations is not None or following.durations is not None:
            self.durations = array("f", [*self._times(), *following._times()])
        self.values += following.values
        self.notable.update(following.notable)
        self.parked += following.parked
        self.seconds += following.seconds
        self.held_s = following.held_s

    def _times(self) -> Iterable[float]:
        return [self.seconds / len(self.values)] * len(self.values) if self.durations is None else self.durations

    @property
    def upto(self) -> int:
        """Index after the last item."""
        return self.start + len(self.values)

    @property
    def item_seconds(self) -> float:
        """Seconds spent inside the items, summed."""
        return self.seconds if self.durations is None else sum(self.durations)

    def halves(self) -> tuple[Done, Done]:
        """Split into two Dones; there must be at least two items."""
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
        """Number of items by status, which add up to those not parked; ``retried`` counts those with several tries."""
        fallback = failed = retried = 0
        for outcome in self.notable.values():
            fallback += outcome.status == "fallback"
            failed += outcome.status == "failed"
            retried += outcome.attempts > 1
        ok = len(self.values) - len(self.parked) - fallback - failed
        return {"ok": ok, "fallback": fallback, "failed": failed, "retried": retried}

    def time_of(self, index: int) -> float:
        """Seconds of the item at *index*; the average of the run if items were not timed one by one."""
        if self.durations is not None:
            return self.durations[index - self.start]
        return self.seconds / len(self.values)

    def item(self, index: int) -> ItemDone:
        """How the item at *index*, which must be in this range, ended; without its time."""
        park = next((park for park in self.parked if park.index == index), None)
        return ItemDone(self.values[index - self.start], self.notable.get(index), park)

    def outcome(self, index: int, *, key: str | None = None, input: Any = None) -> Outcome:
        """The outcome of the item at *index*, which must be in this range and not parked."""
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
            # A list, or a tuple of the address of a part and its length.
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
        """The inverse of ``to_plain``."""
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
            # Used like a list, but read-only.
            done.values = cast("list[Any]", PartValues(address, n, done.without_value()))
        return done

    def without_value(self) -> list[int]:
        """The places of the items without a value, failed or parked, in ascending order."""
        failed = [index for index, outcome in self.notable.items() if outcome.status == "failed"]
        return sorted(index - self.start for index in {*failed, *(park.index for park in self.parked)})


def _little_endian(times: array[float]) -> array[float]:
    """*times* converted between native and little-endian byte order, in either direction."""
    if sys.byteorder == "big":
        times = array("f", times)
        times.byteswap()
    return times
