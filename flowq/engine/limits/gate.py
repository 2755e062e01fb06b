"""The gate of a batch on a fleet: its cache, permits and circuit in Redis. In one process: batch/inline/gate.py."""

from __future__ import annotations

from typing import Any

from flowq.batch.fanout import Fanout
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.policies.rate import Charges
from flowq.batch.running.gate import Gate
from flowq.engine.connection import Connections
from flowq.engine.limits.circuit import FleetCircuit
from flowq.engine.limits.memo import FleetMemo
from flowq.engine.limits.permits import FleetPermits


def fleet_gate(connections: Connections, batch_id: str, node: Fanout[Any, Any], policy: BatchPolicy) -> Gate | None:
    """The gate of a batch of *node*; None if its policy sets no rate, breaker or cache."""
    rates, breaker, cache = policy.rates(), policy.breaker, policy.cached()
    if not rates and breaker is None and cache is None:
        return None
    charges = Charges(node, rates) if rates else None
    return Gate(
        charges=charges,
        permits=None if charges is None else FleetPermits(connections, batch_id, rates, plain=charges.plain),
        breaker=breaker,
        circuit=None if breaker is None else FleetCircuit(connections, batch_id, breaker),
        memo=None if cache is None else FleetMemo(connections, cache.scope(node), cache.ttl),
        key_of=node.key_of,
        # With permits per key there is no common rate: an item that waits for its key leaves the permits to others.
        per_s=min((rate.per_s for rate in rates), default=None) if charges is not None and not charges.keyed else None,
    )
