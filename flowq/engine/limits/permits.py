"""Permits of a fleet: starts of items, booked in Redis. In one process: batch/inline/permits.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from flowq.batch.policies.rate import Charge, Rate
from flowq.batch.running.gate import KEPT_OVER_S, LATE_S, TOGETHER_OVER_S
from flowq.engine.connection import Connections
from flowq.engine.patience import when_taken
from flowq.engine.redis_client import AWAY_ERRORS
from flowq.engine.script import Script

PARK_OVER_S = 1.0
MOST_PARKED = 1000  # items of a batch that are parked one by one; above this, whole chunks wait
COUNTED_FOR_S = 0.1
TOGETHER_S = 0.01  # permits for this many seconds are booked at once: 1 % of the limit in any second
SPARE_FOR_S = 0.05


class FleetPermits:
    """See :class:`~flowq.batch.running.gate.Permits`. Times are those of Redis' clock.

    Args:
        connections: this process's connections.
        batch_id: the batch of the items.
        rates: the batch's rates.
        plain: every item takes 1 permit of every rate, so that several can be booked at once.
        clock_us: None for Redis' clock; tests pass their own.
    """

    def __init__(
        self, connections: Connections, batch_id: str, rates: Sequence[Rate], *, plain: bool, clock_us: Any = None
    ) -> None:
        self._connections, self._batch_id, self._rates = connections, batch_id, rates
        self._book = Script(connections.redis, "permit")
        self._pause = Script(connections.redis, "pause")
        self._clock_us = clock_us
        self._together = max(1, int(TOGETHER_S * min(rate.per_s for rate in rates))) if plain else 1
        self._spare, self._spare_until = 0, 0.0
        self._lock = threading.Lock()
        self._parked_until, self._may_part = 0.0, True

    def book(self, index: int, charges: Sequence[Charge]) -> tuple[float, bool]:
        """See Permits."""
        with self._lock:
            if self._spare and time.monotonic() < self._spare_until:
                self._spare -= 1
                return 0.0, True
            n = self._together
            keys = [self._connections.keys.booking(self._batch_id, index), *self._buckets(charges)]
            args: list[float] = [int(seconds * 1e6) for seconds in (KEPT_OVER_S, LATE_S, TOGETHER_OVER_S)]
            for charge in charges:
                rate = self._rates[charge.rate]
                args += [rate.step_s * 1e6, rate.burst_size, charge.weight * n]
            wait_us, is_last = (int(value) for value in self._call(self._book, keys, *args))
            if n > 1 and is_last:
                self._spare, self._spare_until = n - 1, time.monotonic() + wait_us / 1e6 + SPARE_FOR_S
            return wait_us / 1e6, bool(is_last)

    def pause(self, charges: Sequence[Charge], seconds: float) -> None:
        """See Permits."""
        args: list[float] = []
        for charge in charges:
            rate = self._rates[charge.rate]
            args += [rate.step_s * 1e6, rate.burst_size]
        self._spare = 0
        self._call(self._pause, self._buckets(charges), int(seconds * 1e6), *args)

    def may_park(self) -> bool:
        """See Permits: while fewer than a thousand items of the batch are parked."""
        now = time.monotonic()
        if now >= self._parked_until:
            self._parked_until = now + COUNTED_FOR_S
            # While Redis does not answer, keep the last value: the limit is not strict, and items keep running.
            with suppress(*AWAY_ERRORS):
                parked = self._connections.redis.hlen(self._connections.keys.of(self._batch_id, "parked"))
                self._may_part = parked < MOST_PARKED
        return self._may_part

    def _buckets(self, charges: Sequence[Charge]) -> list[str]:
        keys = self._connections.keys
        return [
            keys.bucket(self._rates[charge.rate].name, self._batch_id, charge.rate, charge.key) for charge in charges
        ]

    def _call(self, script: Script, keys: list[str], *args: Any) -> Any:
        now = "" if self._clock_us is None else self._clock_us()
        return when_taken(lambda: script(keys, now, *args), log_as={"batch": self._batch_id})
