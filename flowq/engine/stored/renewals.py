"""Stores live as long as the batches that read them: a caretaker renews the blobs of batches that still run.

What nothing refers to any more ends by itself: what a producer sent for batches that are over, and, of a run that goes
on for weeks, what its steps had before those that it keeps.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import suppress

from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.stored.kept_store import changes_in
from flowq.engine.stored.reached import Reached
from flowq.engine.stored.snapshots import Snapshots
from flowq.errors import BatchLost, DecodeError

REMEMBERED = 10_000
LOOK_EVERY_S = 60.0


class Renewals:
    """When which batch's snapshot was renewed by this process. Redelivery: renewing twice is renewing."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._next_s: OrderedDict[str, float] = OrderedDict()

    def look_after(self, header: Header) -> None:
        """Renew the blobs of a batch that runs, four times in its retention, or each minute if that is more often."""
        if not header.scope or time.monotonic() < self._next_s.get(header.id, 0.0):
            return
        retention_ms = self._connections.redis.hget(self._connections.keys.meta(header.id), "retention_ms")
        retention_s = int(retention_ms or 0) / 1000
        if not retention_s:
            return
        # With what it reads on the way, forgotten again: this is a worker's main process.
        snapshots = Snapshots(self._connections.redis, self._connections.keys)
        snapshots.renew(header.scope, self._names(header, snapshots), retention_s)
        self._next_s[header.id] = time.monotonic() + min(LOOK_EVERY_S, retention_s / 4)
        self._next_s.move_to_end(header.id)
        if len(self._next_s) > REMEMBERED:
            self._next_s.popitem(last=False)

    def _names(self, header: Header, snapshots: Snapshots) -> set[str]:
        """The blobs of a batch's store, and those of what its items have changed in it, as far as they have kept it."""
        names = set((header.manifest or {}).values())
        floors = set[str]()
        for blob in self._connections.redis.hvals(self._connections.keys.of(header.id, "saved")):
            with suppress(DecodeError):  # another release's, which cares for it
                state = Reached.decode(blob)
                names.update(name for name in state.recent.values() if name is not None)
                floors.add(state.floor)
        for floor in floors - {""}:
            names.add(floor)
            with suppress(DecodeError, BatchLost):  # whose walk will tell
                changes = changes_in(snapshots, header.scope, floor)
                names.update(name for name in changes.values() if name is not None)
        return names
