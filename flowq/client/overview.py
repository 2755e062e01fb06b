"""Every batch and run that Redis holds, newest first, with its counters. Read-only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from flowq.engine.care.catalog import Catalog
from flowq.engine.connection import Connections
from flowq.engine.reading.origin import Origin, read_origin
from flowq.engine.reading.results import State, read_state
from flowq.errors import BatchLost, DecodeError


@dataclass(frozen=True, slots=True)
class Listed:
    """One batch or run.

    Attributes:
        kind: "batch" or "run".
        id, label, node, queue: as in its handle.
        created_at: seconds since the epoch, by Redis' clock.
        state: its counters.
        origin: the key it was submitted under, and whether it is still fed.
    """

    kind: str
    id: str
    label: str
    node: str
    queue: str
    created_at: float
    state: State
    origin: Origin


def batches(connections: Connections) -> Iterator[Listed]:
    """The batches and runs in Redis, newest first, each read when it is asked for."""
    redis, keys = connections.redis, connections.keys
    for entry in Catalog(redis, keys).newest():
        try:
            label, node, queue = (
                (text or b"").decode(errors="replace")
                for text in redis.hmget(keys.meta(entry.id), ["label", "node", "queue"])
            )
            state, origin = read_state(connections, entry.id), read_origin(connections, entry.id)
            yield Listed(entry.kind, entry.id, label, node, queue, entry.created_at, state, origin)
        except (BatchLost, DecodeError):
            continue  # it has just expired, or belongs to another release
