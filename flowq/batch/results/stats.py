"""Stats: the statistics of a batch."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowq.batch.results.done import Done
from flowq.registry import register


@register
@dataclass(frozen=True, slots=True)
class Stats:
    """The statistics of a batch.

    Attributes:
        n: number of items, ``ok + fallback + failed + cancelled``.
        retried: number of items that took more than one try, with any status.
        p50_s, p95_s, max_s: median, 95th percentile and maximum of the items' durations in seconds.
        seconds: wall time of the batch.
        items_per_s: items that were not cancelled per second of wall time.
        speedup: time spent in items ÷ wall time, the average number of items running at once.
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
    """Seconds of every item that ran, sorted; the average of its Done if items were not timed one by one."""
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
    """The nearest-rank quantile of sorted *times*; 0.0 if empty."""
    return times[min(len(times) - 1, int(share * len(times)))] if times else 0.0
