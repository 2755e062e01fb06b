"""Timeline: work over time, in bins that widen as the time grows, so that its size is bounded."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

MAX_BINS = 1024
FIRST_WIDTH_S = 0.02
CUT_FROM_SHARE = 0.5  # a longer pause, as between a batch and its redrive, is left out; share of the whole time


@dataclass(frozen=True, slots=True)
class Bins:
    """The work in consecutive bins of time.

    Attributes:
        began_at: start of the first bin, in seconds since the epoch.
        width_s: width of a bin.
        done: by status, the number of items that ended in each bin.
        busy: by worker, the average number of ranges it worked on in each bin.
        cuts: by the bin after it, the seconds of each pause that was left out.
    """

    began_at: float
    width_s: float
    done: Mapping[str, list[float]]
    busy: Mapping[str, list[float]]
    cuts: Mapping[int, float]

    @property
    def n(self) -> int:
        return max((len(each) for each in (*self.done.values(), *self.busy.values())), default=0)


class Timeline:
    """Collects runs of ranges: ``add`` each, then call ``bins``."""

    def __init__(self) -> None:
        self._width_s = FIRST_WIDTH_S
        self._origin: float | None = None
        self._done: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._busy: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
        self._first, self._last = 0, 0

    def add(self, start: float, stop: float, counts: Mapping[str, int], worker: str) -> None:
        """Add a run of *worker* from *start* to *stop*, in seconds since the epoch: the number of items by status."""
        if self._origin is None:
            self._origin = start
            self._first = self._last = 0
        while not self._fits(start, stop):
            self._widen()
        begin, end = (start - self._origin) / self._width_s, (stop - self._origin) / self._width_s
        self._first, self._last = min(self._first, int(begin // 1)), max(self._last, int(end // 1))
        length = end - begin
        for place in range(int(begin // 1), int(end // 1) + 1):
            inside = max(0.0, min(end, place + 1) - max(begin, place))
            share = inside / length if length > 0 else 1.0
            self._busy[worker][place] += inside
            for status, count in counts.items():
                if count:
                    self._done[status][place] += count * share

    def bins(self, at_most: int) -> Bins:
        """The work so far in at most *at_most* bins, without long pauses."""
        places = {place for each in (*self._busy.values(), *self._done.values()) for place in each}
        if not places or self._origin is None:
            return Bins(0.0, FIRST_WIDTH_S, {}, {}, {})
        kept, pauses = _without_pauses(sorted(places))
        each = -(-len(kept) // at_most)
        n = -(-len(kept) // each)
        at = {place: number // each for number, place in enumerate(kept)}

        def folded(found: Mapping[int, float], by: float) -> list[float]:
            row = [0.0] * n
            for place, amount in found.items():
                row[at[place]] += amount / by
            return row

        return Bins(
            self._origin + kept[0] * self._width_s,
            self._width_s * each,
            {status: folded(found, 1.0) for status, found in self._done.items()},
            {worker: folded(found, each) for worker, found in sorted(self._busy.items())},
            {at[place]: length * self._width_s for place, length in pauses.items()},
        )

    def _fits(self, start: float, stop: float) -> bool:
        assert self._origin is not None
        first = min(self._first, (start - self._origin) // self._width_s)
        last = max(self._last, (stop - self._origin) // self._width_s)
        return last - first < MAX_BINS

    def _widen(self) -> None:
        """Double the width of the bins."""
        self._width_s *= 2
        self._first, self._last = self._first // 2, self._last // 2
        for rows in (self._done, self._busy):
            for name, row in rows.items():
                wider: dict[int, float] = defaultdict(float)
                for place, amount in row.items():
                    # `done` holds counts, `busy` shares of the old width, which are half as much of the new one.
                    wider[place // 2] += amount if rows is self._done else amount / 2
                rows[name] = wider


def _without_pauses(places: list[int]) -> tuple[list[int], dict[int, int]]:
    """All bins from the first to the last of *places* without long pauses, and the pauses by the bin after them."""
    long = max(8, round(CUT_FROM_SHARE * (places[-1] - places[0] + 1)))
    kept, pauses = [places[0]], {}
    for before, place in pairwise(places):
        gap = place - before - 1
        if gap > long:
            pauses[place] = gap
        else:
            kept.extend(range(before + 1, place))
        kept.append(place)
    return kept, pauses
