"""InlineCircuit: the state of a breaker in this process. For workers: engine/limits/circuit.py, with the same rules."""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic

from flowq.batch.policies.breaker import Breaker
from flowq.core.drive import in_loop

ASK_AGAIN_S = 0.25
"""Longest wait while the probe runs, so that the other items soon learn that it has succeeded."""


class InlineCircuit:
    """A :class:`~flowq.batch.running.gate.Circuit`: closed, open, or half-open while one item, the probe, is tried."""

    def __init__(self, breaker: Breaker, clock: Callable[[], float] = monotonic) -> None:
        self._breaker, self._clock = breaker, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened: float | None = None
        self._probe, self._probe_until = "", 0.0

    @in_loop
    def ask(self, ticket: str) -> float:
        """See Circuit. One ticket at a time is the probe, for at most ``reset`` seconds."""
        with self._lock:
            if self._opened is None:
                return 0.0
            now = self._clock()
            if now < self._opened + self._breaker.reset:
                return self._opened + self._breaker.reset - now
            if self._probe and now < self._probe_until:
                return min(self._probe_until - now, ASK_AGAIN_S)
            self._probe, self._probe_until = ticket, now + self._breaker.reset
            return 0.0

    def is_probe(self, ticket: str) -> bool:
        """See Circuit."""
        return ticket == self._probe

    @in_loop
    def succeeded(self, ticket: str) -> None:
        """See Circuit. Only the probe's success closes an open circuit."""
        with self._lock:
            if self._opened is None or ticket == self._probe:
                self._failures, self._opened, self._probe = 0, None, ""

    @in_loop
    def failed(self, ticket: str) -> None:
        """See Circuit. A failed probe opens it again; failures of tries started before it opened have no effect."""
        with self._lock:
            if self._opened is None:
                self._failures += 1
                if self._failures >= self._breaker.failures:
                    self._opened = self._clock()
            elif ticket == self._probe:
                self._opened, self._probe = self._clock(), ""
