"""The figures of a batch. Never here: the outcomes they are taken from (result)."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowq.batch.chunk import Done
from flowq.registry import register


@register
@dataclass(frozen=True, slots=True)
class Stats:
    """The figures of a batch.

    Attributes:
        n: items, of which ``ok + fallback + failed + cancelled`` is the sum.
        retried: items that took more than one try, whatever became of them.
        p50_s: half of the items took no longer (seconds); ``p95_s`` and ``max_s`` likewise.
        seconds: wall time of the batch.
        items_per_s: items with an outcome of their own per second of wall time.
        speedup: time spent in items ÷ wall time: how many ran at once on the mean.
    """

    n: int
    ok: int
    fallback: int
    failed: int
    cancelled: int
    retried: int
    p50_s: float
    p95_s: float
    max_s: float
    seconds: float
    items_per_s: float
    speedup: float


def item_times(dones: Iterable[Done]) -> array[float]:
    """Seconds of every item that ran, sorted; the mean of its run where items were not timed one by one."""
    times: array[float] = array("f")
    for done in dones:
        holes = {park.index for park in done.parked}
        if done.durations is None:
            mean_s = done.seconds / max(1, len(done.values))
            times.extend(array("f", [mean_s]) * (len(done.values) - len(holes)))
        else:
            times.extend(array("f", (t for i, t in enumerate(done.durations, done.start) if i not in holes)))
    return array("f", sorted(times))


def quantile(times: Sequence[float], share: float) -> float:
    """The nearest-rank quantile of sorted *times*; 0.0 of none."""
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
