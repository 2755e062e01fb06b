"""The gate of a batch in this process, and the state its batches share. For workers: engine/limits/gate.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from flowq.batch.inline.circuit import InlineCircuit
from flowq.batch.inline.memo import InlineMemo, Results
from flowq.batch.inline.permits import Bucket, InlinePermits
from flowq.batch.policies.breaker import Breaker
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.policies.rate import Charges
from flowq.batch.running.gate import Gate

if TYPE_CHECKING:
    from flowq.batch.fanout import Fanout


class Shared:
    """State shared by the batches of this process: rates and breakers by name, and cached results."""

    def __init__(self) -> None:
        self.results = Results()
        self.buckets: dict[tuple[str, str], Bucket] = {}
        self.lock = threading.Lock()
        self._circuits: dict[str, tuple[Breaker, InlineCircuit]] = {}

    def circuit(self, breaker: Breaker) -> InlineCircuit:
        """The circuit of *breaker*; a new one if the breaker of its name had other numbers."""
        if breaker.name is None:
            return InlineCircuit(breaker)
        with self.lock:
            known = self._circuits.get(breaker.name)
            if known is None or (known[0].failures, known[0].reset) != (breaker.failures, breaker.reset):
                known = self._circuits[breaker.name] = breaker, InlineCircuit(breaker)
            return known[1]


_shared = Shared()


Gates: TypeAlias = "Callable[[str, Fanout[Any, Any], BatchPolicy], Gate | None]"
"""Creates the gate of a batch from its id, node and policy."""


def inline_gate(batch_id: str, node: Fanout[Any, Any], policy: BatchPolicy) -> Gate | None:
    """The gate of a batch of *node*; None if its policy has no rate, breaker or cache."""
    rates, breaker, cache = policy.rates(), policy.breaker, policy.cached()
    if not rates and breaker is None and cache is None:
        return None
    return Gate(
        charges=Charges(node, rates) if rates else None,
        permits=InlinePermits(rates, _shared.buckets, _shared.lock) if rates else None,
        breaker=breaker,
        circuit=None if breaker is None else _shared.circuit(breaker),
        memo=None if cache is None else InlineMemo(_shared.results, cache.scope(node), cache.ttl),
        key_of=node.key_of,
    )
