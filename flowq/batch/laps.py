"""A clock for a run of items that is read once an item for slow ones and once a block for fast ones.

Never here: what the items are.
"""

from __future__ import annotations

from array import array
from time import perf_counter

from flowq.batch.chunk import TIMED_FROM_S

_BLOCK = 256
"""Most items between two looks at the clock; at 20 µs an item they take 5 ms."""


class Laps:
    """Times of consecutive blocks of items.

    Attributes:
        size: items the next block should hold.
        elapsed_s: seconds from the beginning to the end of the last block.
    """

    __slots__ = ("_began", "_counts", "_extra", "_last", "_times", "elapsed_s", "size")

    def __init__(self) -> None:
        self.size = 1
        self.elapsed_s = 0.0
        self._counts = array("l")
        self._times = array("d")
        self._extra: dict[int, float] = {}
        self._began = self._last = perf_counter()

    def lap(self, count: int, seconds: float | None = None) -> None:
        """A block of *count* items has ended; it took *seconds*, where other time since the last one was waiting."""
        now = perf_counter()
        lap_s = now - self._last if seconds is None else seconds
        self._last = now
        self.elapsed_s = now - self._began
        self._counts.append(count)
        self._times.append(lap_s)
        # Never more than twice as many at once: a slow item among fast ones smears over its block alone.
        self.size = 1 if lap_s >= TIMED_FROM_S * count else min(_BLOCK, 2 * self.size)

    def further(self, at: int, seconds: float) -> None:
        """The *at*-th item of the run, of the last block, took *seconds* more; other time since then was waiting."""
        self._extra[at] = self._extra.get(at, 0.0) + seconds
        self._last = perf_counter()
        self.elapsed_s = self._last - self._began

    def durations(self, n: int) -> array[float] | None:
        """Seconds of each of the *n* items that ended; None when they took too little on the mean to be told apart."""
        if self.elapsed_s < TIMED_FROM_S * n or not n:
            return None
        times: array[float] = array("f")
        for count, lap_s in zip(self._counts, self._times, strict=True):
            times.extend(array("f", [lap_s / count]) * count)
        for at, seconds in self._extra.items():
            times[at] += seconds
        return times[:n]
