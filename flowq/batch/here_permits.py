"""Permits of this process: the starts that a batch's rates allow, booked in memory. On a fleet: engine/permits.py."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from time import monotonic
from typing import TypeVar

from flowq.batch.gate import KEPT_OVER_S, LATE_S
from flowq.batch.rate import Charge, Rate
from flowq.core.drive import in_loop

_MOST_KEYS = 10_000

K = TypeVar("K")


class Bucket:
    """The cell rate algorithm's state of one key, in seconds of a clock.

    Attributes:
        full_at: when all that was booked will have been started at the even pace.
        pause_until: nothing starts before.
    """

    __slots__ = ("full_at", "pause_until")

    def __init__(self) -> None:
        self.full_at = self.pause_until = float("-inf")

    def earliest(self, rate: Rate, weight: float) -> float:
        """When the next start of this weight may be; one heavier than the burst is let through and paid for after."""
        burst = rate.burst_size
        return max(self.full_at + (min(weight, burst) - burst) * rate.step_s, self.pause_until)

    def take(self, rate: Rate, weight: float, start: float) -> None:
        self.full_at = max(self.full_at, start) + weight * rate.step_s

    def pause(self, rate: Rate, until: float) -> None:
        self.pause_until = max(self.pause_until, until)
        # What was saved up is gone: after a pause the starts come at the even pace.
        self.full_at = max(self.full_at, until + (rate.burst_size - 1) * rate.step_s)


class HerePermits:
    """See :class:`~flowq.batch.gate.Permits`.

    Args:
        rates: the batch's.
        named: the buckets of rates with a name, by name and key; they outlive the batch.
        lock: whoever holds it may use them.
        clock: seconds.
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
        self._booked: dict[int, float] = {}

    @in_loop
    def book(self, index: int, charges: Sequence[Charge]) -> float:
        """See Permits."""
        with self._lock:
            start = now = self._clock()
            taken = [(self._rates[charge.rate], self._bucket(charge), charge.weight) for charge in charges]
            booked = self._booked.pop(index, None)
            paused_until = max((bucket.pause_until for _, bucket, _ in taken), default=now)
            if booked is not None and booked + LATE_S >= now and booked >= paused_until:
                if booked - now > KEPT_OVER_S:
                    self._booked[index] = booked
                return max(0.0, booked - now)
            for rate, bucket, weight in taken:
                start = max(start, bucket.earliest(rate, weight))
            for rate, bucket, weight in taken:
                bucket.take(rate, weight, start)
            if start - now > KEPT_OVER_S:
                self._booked[index] = start
            return start - now

    @in_loop
    def pause(self, charges: Sequence[Charge], seconds: float) -> None:
        """See Permits."""
        with self._lock:
            until = self._clock() + seconds
            for charge in charges:
                self._bucket(charge).pause(self._rates[charge.rate], until)

    @in_loop
    def may_part(self) -> bool:
        """See Permits; here nobody parts."""
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
