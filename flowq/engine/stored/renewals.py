"""Snapshots live as long as the batches that read them: a caretaker renews those of batches that still run."""

from __future__ import annotations

import time
from collections import OrderedDict

from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.stored.snapshots import Snapshots

REMEMBERED = 10_000
LOOK_EVERY_S = 60.0


class Renewals:
    """When which batch's snapshot was renewed by this process. Redelivery: renewing twice is renewing."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._snapshots = Snapshots(connections.redis, connections.keys)
        self._next_s: OrderedDict[str, float] = OrderedDict()

    def look_after(self, header: Header) -> None:
        """Renew the blobs of a batch that runs, four times in its retention, or each minute if that is more often."""
        if not header.scope or time.monotonic() < self._next_s.get(header.id, 0.0):
            return
        retention_ms = self._connections.redis.hget(self._connections.keys.meta(header.id), "retention_ms")
        retention_s = int(retention_ms or 0) / 1000
        if not retention_s:
            return
        self._snapshots.renew(header.scope, retention_s, (header.manifest or {}).values(), header.listed_under)
        self._next_s[header.id] = time.monotonic() + min(LOOK_EVERY_S, retention_s / 4)
        self._next_s.move_to_end(header.id)
        if len(self._next_s) > REMEMBERED:
            self._next_s.popitem(last=False)
