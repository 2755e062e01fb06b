"""A breaker's circuit in Redis, shared by a fleet. In one process: batch/inline/circuit.py, by the same rules.

Not pybreaker with its Redis storage: that reads and sets state, counter and time in separate calls, by the workers'
own clocks, so that several workers probe at once.
"""

from __future__ import annotations

import threading
import time

from flowq.batch.inline.circuit import ASK_AGAIN_S
from flowq.batch.policies.breaker import Breaker
from flowq.engine.connection import Connections
from flowq.engine.patience import when_taken
from flowq.engine.script import Script

SEEN_FOR_S = 0.25  # how long a process trusts that a circuit it has seen closed is still closed


class FleetCircuit:
    """See :class:`~flowq.batch.running.gate.Circuit`.

    Args:
        connections: this process's connections.
        batch_id: the batch of the circuit, unless the breaker has a name.
    """

    def __init__(self, connections: Connections, batch_id: str, breaker: Breaker) -> None:
        self._breaker, self._batch_id = breaker, batch_id
        self._key = connections.keys.circuit(breaker.name, batch_id)
        self._ask = Script(connections.redis, "circuit_ask")
        self._tell = Script(connections.redis, "circuit_tell")
        self._lock = threading.Lock()
        self._failures, self._probe = 0, ""
        self._closed_until = self._open_until = float("-inf")

    def ask(self, ticket: str) -> float:
        """See Circuit."""
        with self._lock:
            now = time.monotonic()
            if now < self._closed_until:
                return 0.0
            if now < self._open_until:
                return self._open_until - now
            reset_ms, again_ms = int(self._breaker.reset * 1000), int(ASK_AGAIN_S * 1000)
            wait_ms, self._failures, is_probe = self._call(self._ask, "", ticket, reset_ms, again_ms)
            if is_probe:
                self._probe = ticket
                return 0.0
            self._see(wait_ms)
            return wait_ms / 1000

    def is_probe(self, ticket: str) -> bool:
        """See Circuit."""
        return ticket == self._probe  # without the lock, which another thread may hold during a call to Redis

    def succeeded(self, ticket: str) -> None:
        """See Circuit; told to Redis only where it changes something."""
        with self._lock:
            if self._failures or ticket == self._probe:
                self._say(ticket, "ok")

    def failed(self, ticket: str) -> None:
        """See Circuit."""
        with self._lock:
            self._say(ticket, "failed")

    def _say(self, ticket: str, went: str) -> None:
        reset_ms = int(self._breaker.reset * 1000)
        wait_ms, self._failures = self._call(self._tell, "", ticket, went, self._breaker.failures, reset_ms)
        if ticket == self._probe:
            self._probe = ""
        self._see(wait_ms)

    def _see(self, wait_ms: int) -> None:
        now = time.monotonic()
        self._closed_until = now + SEEN_FOR_S if wait_ms == 0 else float("-inf")
        self._open_until = now + wait_ms / 1000

    def _call(self, script: Script, *args: str | int) -> list[int]:
        reply = when_taken(lambda: script([self._key], *args), log_as={"batch": self._batch_id})
        return [int(value) for value in reply]
