"""A range of items that a process holds and runs at the same time: which have begun, finished, may be committed."""

from __future__ import annotations

import time

from flowq.batch.results.done import Done, ItemDone, Park
from flowq.engine.ids import split_id
from flowq.engine.ledger import Claimed

RUNS_ON = "split"  # park reason of an item that runs on as a record of its own


class HeldRange:
    """One open record of the ledger.

    Attributes:
        id: the chunk id.
        at: items before it are committed.
        stop: items from it on do not belong to this range.
        given: items before it have begun.
        finished: results of finished items that are not committed yet.
        attempts: tries that the first item has already used.
        left: no further item of it begins here; the rest is to be given back.
    """

    left = False

    def __init__(self, chunk_id: str, start: int, stop: int, attempts: int = 0) -> None:
        self.id, self.at, self.stop, self.given, self.attempts = chunk_id, start, stop, start, attempts
        self.finished: dict[int, ItemDone] = {}
        self._began: dict[int, float] = {}

    @classmethod
    def of(cls, claim: Claimed) -> HeldRange:
        """The range of a claim."""
        return cls(claim.id, claim.start, claim.stop, claim.attempts)

    def begin(self, index: int) -> int:
        """Mark the item at *index* as begun; returns the tries it has already used."""
        self.given = index + 1
        self._began[index] = time.monotonic()
        tries, self.attempts = self.attempts, 0
        return tries

    def ready(self) -> int:
        """The index up to which all items from ``at`` on are finished."""
        upto = self.at
        while upto in self.finished:
            upto += 1
        return upto

    def is_over(self) -> bool:
        """Whether all its items have ended."""
        return len(self.finished) == self.stop - self.at

    def running(self) -> list[int]:
        """The items that have begun and not finished."""
        return [index for index in range(self.at, self.given) if index not in self.finished]

    def slow(self, late_s: float, most: int) -> tuple[int, list[int]]:
        """Unfinished items in front of finished ones, if all of them began more than *late_s* ago; else none.

        Returns:
            The index up to which a commit can go without them, and at most *most* of them.
        """
        behind = max(self.finished, default=self.at - 1) + 1
        holes = [index for index in range(self.at, behind) if index not in self.finished]
        late = time.monotonic() - late_s
        if not all(self._began[index] < late for index in holes):
            return self.at, []
        return (behind if len(holes) <= most else holes[most]), holes[:most]

    def done(self, upto: int, holes: list[int], worker: str) -> Done:
        """The results of the items from ``at`` to *upto*; *holes* run on and are left out."""
        parked = {index: ItemDone(park=Park(index, 0, 0.0, RUNS_ON)) for index in holes}
        items = [parked.get(index) or self.finished[index] for index in range(self.at, upto)]
        began = [self._began[index] for index in range(self.at, upto) if index in self._began]
        wall_s = time.monotonic() - min(began) if began else sum(item.seconds for item in items)
        done = Done.gather(self.at, items, worker=worker, started_at=time.time() - wall_s)
        if done.durations is not None:  # items that ran together took less than the sum of their times
            done.seconds = wall_s
        return done

    def advance(self, upto: int) -> None:
        """Items up to *upto* are committed, by this or another process."""
        for index in range(self.at, upto):
            self.finished.pop(index, None)
            self._began.pop(index, None)
        self.at = max(self.at, upto)

    def split(self, index: int) -> HeldRange:
        """The record that the ledger made of an item that runs on."""
        held = HeldRange(split_id(self.id, index), index, index + 1)
        held.given = index + 1
        if index in self.finished:  # it finished while the split was being committed
            held.finished[index] = self.finished[index]
        return held
