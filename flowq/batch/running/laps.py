"""Laps: a stopwatch for a run of items, read once per item if they are slow and once per block if they are fast."""

from __future__ import annotations

from array import array
from time import perf_counter

from flowq.batch.results.done import TIMED_FROM_S

_BLOCK = 256
"""Most items between two readings of the clock; at 20 µs an item they take 5 ms."""


class Laps:
    """Times of consecutive blocks of items.

    Attributes:
        size: number of items for the next block.
        elapsed_s: seconds from the start to the end of the last block.
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
        """Record a block of *count* items, which took *seconds* (None: all the time since the last one)."""
        now = perf_counter()
        lap_s = now - self._last if seconds is None else seconds
        self._last = now
        self.elapsed_s = now - self._began
        self._counts.append(count)
        self._times.append(lap_s)
        # At most doubled: the time of a slow item among fast ones is averaged over its block only.
        self.size = 1 if lap_s >= TIMED_FROM_S * count else min(_BLOCK, 2 * self.size)

    def further(self, at: int, seconds: float) -> None:
        """Add *seconds* to the *at*-th item of the run; other time since the last block is not counted."""
        self._extra[at] = self._extra.get(at, 0.0) + seconds
        self._last = perf_counter()
        self.elapsed_s = self._last - self._began

    def durations(self, n: int) -> array[float] | None:
        """Seconds of each of the *n* items that ended; None if they took less than ``TIMED_FROM_S`` on average."""
        if self.elapsed_s < TIMED_FROM_S * n or not n:
            return None
        times: array[float] = array("f")
        for count, lap_s in zip(self._counts, self._times, strict=True):
            times.extend(array("f", [lap_s / count]) * count)
        for at, seconds in self._extra.items():
            times[at] += seconds
        return times[:n]
