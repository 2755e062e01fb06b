"""Log: the outcomes so far of a batch in this process, for its result, its progress and its readers."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from flowq.batch.results.done import Done, ItemDone
from flowq.batch.results.in_item_order import Span
from flowq.batch.results.outcome import Outcome

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Before:
    """The state of a batch before some of its items run again: its Dones, length, seconds and items."""

    runs: list[Done]
    n: int
    seconds: float
    inputs: Mapping[int, Any] | Sequence[Any]


class Log:
    """Dones of ranges and of single items in the order they ended. One thread writes; others may read meanwhile.

    Attributes:
        ok, fallback, failed: number of items with this status.
        retried: number of items that took several tries.
        freed: whether a reader has dropped what it read.
    """

    def __init__(self) -> None:
        self.ok = 0
        self.fallback = 0
        self.failed = 0
        self.retried = 0
        self.freed = False
        # None: dropped after it was read.
        self._entries: list[Done | tuple[int, ItemDone] | None] = []
        # Of what was dropped: the items from where to where, and which of them were no plain successes.
        self._dropped: list[tuple[int, int]] = []
        self._fewest = _AT_ONCE  # as few as there were when they were last joined
        self._noted: dict[int, Outcome] = {}
        self._closed = False
        self._changed = threading.Condition()

    @property
    def done(self) -> int:
        """Number of items with an outcome."""
        return self.ok + self.fallback + self.failed

    def add_run(self, run: Done) -> None:
        """Add the Done of consecutive items."""
        counts = run.counts()
        with self._changed:
            self._entries.append(run)
            self.ok += counts["ok"]
            self.fallback += counts["fallback"]
            self.failed += counts["failed"]
            self.retried += counts["retried"]
            self._changed.notify_all()

    def add_item(self, index: int, item: ItemDone) -> None:
        """Add a single item, in any order."""
        status = "ok" if item.outcome is None else item.outcome.status
        with self._changed:
            self._entries.append((index, item))
            self.ok += status == "ok"
            self.fallback += status == "fallback"
            self.failed += status == "failed"
            self.retried += item.outcome is not None and item.outcome.attempts > 1
            self._changed.notify_all()

    def close(self) -> None:
        """Mark the log as complete."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def runs(self) -> list[Done]:
        """Everything, as runs; single items are joined where they are neighbours.

        Of what was dropped there is neither value nor error, but how it ended: what ended well is not to run again.
        """
        left = self.left()
        return [*self._husks(), *left]

    def left(self) -> list[Done]:
        """As ``runs``, without what was dropped."""
        runs = [each for each in self._entries if isinstance(each, Done)]
        items = sorted((each for each in self._entries if isinstance(each, tuple)), key=lambda each: each[0])
        cuts = [at for at, (a, b) in enumerate(pairwise(items), 1) if b[0] != a[0] + 1]
        bounds = [0, *cuts, len(items)] if items else []
        joined = [
            Done.gather(items[start][0], [item for _, item in items[start:upto]]) for start, upto in pairwise(bounds)
        ]
        return [*runs, *joined]

    def _husks(self) -> list[Done]:
        husks = [Done(start, [None] * (upto - start)) for start, upto in _joined(self._dropped)]
        starts = [husk.start for husk in husks]
        for index, outcome in list(self._noted.items()):
            husk = husks[bisect_right(starts, index) - 1]
            if husk.start <= index < husk.upto:
                husk.notable[index] = outcome
        return husks

    def take(self, seen: int, wait_s: float) -> tuple[list[Span], int, bool]:
        """The entries after the first *seen*, with their numbers as ``ref``; the new *seen*; whether the log has ended.

        Blocks for at most *wait_s* while there are none.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._entries) > seen, wait_s)
            spans: list[Span] = []
            some = self._entries[seen : seen + _AT_ONCE]
            for number, entry in enumerate(some, seen):
                if isinstance(entry, Done):
                    spans.append(Span(entry.start, entry.upto, 0, 0, number))
                elif entry is not None:
                    spans.append(Span(entry[0], entry[0] + 1, 0, 0, number))
            seen += len(some)
            return spans, seen, self._closed and seen == len(self._entries)

    def fetch(self, spans: Sequence[Span]) -> list[Done]:
        """The outcomes of *spans*, without those that were dropped."""
        entries = [self._entries[span.ref] for span in spans]
        return [one if isinstance(one, Done) else Done.gather(one[0], [one[1]]) for one in entries if one is not None]

    def drop(self, spans: Sequence[Span]) -> None:
        """Hold *spans* no longer."""
        for done in self.fetch(spans):
            self._noted.update((index, replace(one, error=None)) for index, one in done.notable.items())
        for span in spans:
            self.freed = True
            self._dropped.append((span.start, span.upto))  # first: who looks meanwhile would not find it at all
            self._entries[span.ref] = None
        if len(self._dropped) > 2 * self._fewest:
            self._dropped = _joined(self._dropped)
            self._fewest = max(_AT_ONCE, len(self._dropped))


def _joined(spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """*spans* in order, neighbours as one."""
    joined: list[tuple[int, int]] = []
    for start, upto in sorted(spans):
        if joined and joined[-1][1] == start:
            start = joined.pop()[0]
        joined.append((start, upto))
    return joined
