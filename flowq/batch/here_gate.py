"""The gate of a batch in this process, and the state its batches share. For workers: engine/limits/gate.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from flowq.batch.breaker import Breaker
from flowq.batch.gate import Gate
from flowq.batch.here_circuit import HereCircuit
from flowq.batch.here_memo import HereMemo, Results
from flowq.batch.here_permits import Bucket, HerePermits
from flowq.batch.policy import BatchPolicy
from flowq.batch.rate import Charges

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout


class Shared:
    """State shared by the batches of this process: rates and breakers by name, and cached results."""

    def __init__(self) -> None:
        self.results = Results()
        self.buckets: dict[tuple[str, str], Bucket] = {}
        self.lock = threading.Lock()
        self._circuits: dict[str, tuple[Breaker, HereCircuit]] = {}

    def circuit(self, breaker: Breaker) -> HereCircuit:
        """The circuit of *breaker*; a new one if the breaker of its name had other numbers."""
        if breaker.name is None:
            return HereCircuit(breaker)
        with self.lock:
            known = self._circuits.get(breaker.name)
            if known is None or (known[0].failures, known[0].reset) != (breaker.failures, breaker.reset):
                known = self._circuits[breaker.name] = breaker, HereCircuit(breaker)
            return known[1]


_shared = Shared()


Gates: TypeAlias = "Callable[[str, Fanout[Any, Any], BatchPolicy], Gate | None]"
"""Creates the gate of a batch from its id, node and policy."""


def here_gate(batch_id: str, node: Fanout[Any, Any], policy: BatchPolicy) -> Gate | None:
    """The gate of a batch of *node*; None if its policy has no rate, breaker or cache."""
    rates, breaker, cache = policy.rates(), policy.breaker, policy.cached()
    if not rates and breaker is None and cache is None:
        return None
    return Gate(
        charges=Charges(node, rates) if rates else None,
        permits=HerePermits(rates, _shared.buckets, _shared.lock) if rates else None,
        breaker=breaker,
        circuit=None if breaker is None else _shared.circuit(breaker),
        memo=None if cache is None else HereMemo(_shared.results, cache.scope(node), cache.ttl),
        key_of=node.key_of,
    )
