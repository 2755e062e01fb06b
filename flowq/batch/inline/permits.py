"""InlinePermits: books the starts that rates allow, in this process. For workers: engine/limits/permits.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar

from flowq.batch.policies.rate import Charge, Rate
from flowq.batch.running.gate import KEPT_OVER_S, LATE_S, TOGETHER_OVER_S
from flowq.core.drive import in_loop

_MOST_KEYS = 10_000
_NOTHING: tuple[float, frozenset[int]] = (float("-inf"), frozenset())

K = TypeVar("K")


class Bucket:
    """The state of the generic cell rate algorithm for one key, in seconds of a clock.

    Attributes:
        full_at: when everything booked will have started at an even pace.
        pause_until: time before which nothing starts.
    """

    __slots__ = ("full_at", "pause_until")

    def __init__(self) -> None:
        self.full_at = self.pause_until = float("-inf")

    def earliest(self, rate: Rate, weight: float) -> float:
        """The earliest next start of this weight. One heavier than the burst may start, and delays later ones."""
        burst = rate.burst_size
        return max(self.full_at + (min(weight, burst) - burst) * rate.step_s, self.pause_until)

    def take(self, rate: Rate, weight: float, start: float) -> None:
        self.full_at = max(self.full_at, start) + weight * rate.step_s

    def pause(self, rate: Rate, until: float) -> None:
        self.pause_until = max(self.pause_until, until)
        # The burst is used up: after a pause, starts come at an even pace.
        self.full_at = max(self.full_at, until + (rate.burst_size - 1) * rate.step_s)


class InlinePermits:
    """:class:`~flowq.batch.running.gate.Permits` in the memory of this process.

    Args:
        rates: the batch's rates.
        named: the buckets of rates with a name, by name and key; they outlive the batch.
        lock: guards the buckets.
        clock: returns seconds.
    """

    def __init__(
        self,
        rates: Sequence[Rate],
        named: dict[tuple[str, str], Bucket],
        lock: threading.Lock,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._rates, self._named, self._lock, self._clock = rates, named, lock, clock
        self._own: dict[tuple[int, str], Bucket] = {}
        self._booked: dict[int, tuple[float, frozenset[int]]] = {}

    @in_loop
    def book(self, index: int, charges: Sequence[Charge]) -> tuple[float, bool]:
        """See Permits; the same algorithm as lua/permit.lua."""
        with self._lock:
            now = self._clock()
            buckets = [self._bucket(charge) for charge in charges]
            paused_until = max((bucket.pause_until for bucket in buckets), default=now)
            start, taken = self._booked.pop(index, _NOTHING)
            if start + LATE_S < now or start < paused_until:
                start, taken = _NOTHING
            if start - now > KEPT_OVER_S:
                self._booked[index] = start, taken
                return start - now, False
            start = max(start, now)
            left = [i for i in range(len(charges)) if i not in taken]
            waits = {i: buckets[i].earliest(self._rates[charges[i].rate], charges[i].weight) for i in left}
            last = max(waits, key=waits.__getitem__, default=0)
            begin = max([start, *waits.values()])
            if len(left) > 1 and begin - start > TOGETHER_OVER_S:
                left = [last]
            for i in left:
                buckets[i].take(self._rates[charges[i].rate], charges[i].weight, begin)
            taken |= frozenset(left)
            is_last = len(taken) == len(charges) and begin - now <= KEPT_OVER_S
            if not is_last:
                self._booked[index] = begin, taken
            return begin - now, is_last

    @in_loop
    def pause(self, charges: Sequence[Charge], seconds: float) -> None:
        """See Permits."""
        with self._lock:
            until = self._clock() + seconds
            for charge in charges:
                self._bucket(charge).pause(self._rates[charge.rate], until)

    @in_loop
    def may_park(self) -> bool:
        """See Permits; items are not parked in this process."""
        return False

    def _bucket(self, charge: Charge) -> Bucket:
        name = self._rates[charge.rate].name
        if name is not None:
            return _kept(self._named, (name, charge.key), self._clock())
        return _kept(self._own, (charge.rate, charge.key), self._clock())


def _kept(buckets: dict[K, Bucket], key: K, now: float) -> Bucket:
    bucket = buckets.get(key)
    if bucket is None:
        if len(buckets) >= _MOST_KEYS:
            for old in [one for one, bucket in buckets.items() if max(bucket.full_at, bucket.pause_until) < now]:
                del buckets[old]
        bucket = buckets[key] = Bucket()
    return bucket
