"""The lifetime of stores: a caretaker renews the blobs that running batches refer to, and their end releases them.

Blobs that nothing refers to any more expire: those of batches that have ended, and, in a run of several weeks, those
of steps whose states it no longer keeps. Those that something refers to stay for a month without any worker.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress

from flowq.engine.batches import Header, read_header
from flowq.engine.connection import Connections
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.engine.stored.kept_store import changes_in
from flowq.engine.stored.reached import Reached
from flowq.engine.stored.snapshots import Snapshots
from flowq.errors import BatchLost, DecodeError

REMEMBERED = 10_000
LOOK_EVERY_S = 60.0
RELEASED_FOR_S = 2 * LOOK_EVERY_S
"""What is released stays at least so long: a batch that still needs it holds it again when it is looked after."""


class Renewals:
    """The times at which this process renewed each batch's snapshot. Redelivery: renewing twice does no harm."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._next_s: OrderedDict[str, float] = OrderedDict()

    def look_after(self, header: Header) -> None:
        """Hold the blobs of a running batch, four times per retention, or every minute if that is more often."""
        if not header.has_store or time.monotonic() < self._next_s.get(header.id, 0.0):
            return
        is_open, retention_s = _stands(self._connections, header.id)
        if not is_open or not retention_s:
            return
        # A Snapshots of its own, dropped after use with its cache: this is a worker's main process.
        snapshots = Snapshots(self._connections.redis, self._connections.keys)
        held = snapshots.held_by(header.id)  # before its states are read: a walk may save others meanwhile
        needed, scope = self._needed(header, snapshots, held), header.blob_scope
        snapshots.hold(scope, needed, retention_s, header.id)
        _release(self._connections, snapshots, header, held - needed, retention_s)
        self._next_s[header.id] = time.monotonic() + min(LOOK_EVERY_S, retention_s / 4)
        self._next_s.move_to_end(header.id)
        if len(self._next_s) > REMEMBERED:
            self._next_s.popitem(last=False)

    def _needed(self, header: Header, snapshots: Snapshots, held: set[str]) -> set[str]:
        """The blobs of a batch's store and of its items' saved changes; all *held* if one of these cannot be read."""
        names = set((header.manifest or {}).values())
        floors = set[str]()
        for blob in self._connections.redis.hvals(self._connections.keys.of(header.id, "saved")):
            try:
                state = Reached.decode(blob)
            except DecodeError:  # saved by another release
                names |= held
                continue
            names.update(name for name in state.recent.values() if name is not None)
            floors.add(state.floor)
        for floor in floors - {""}:
            names.add(floor)
            with suppress(DecodeError, BatchLost):  # the walk itself will report it
                changes = changes_in(snapshots, header.blob_scope, floor)
                names.update(name for name in changes.values() if name is not None)
        return names


def release_store(connections: Connections, header: Header) -> None:
    """Let go of the blobs of a batch that has ended, but for those that the batches around it hold.

    Another batch that needs one holds it again when it is looked after. Redelivery: releasing twice does no harm.
    """
    if not header.has_store:
        return
    retention_ms = connections.redis.hget(connections.keys.meta(header.id), "retention_ms")
    if retention_ms is None:
        return
    snapshots = Snapshots(connections.redis, connections.keys)
    names = snapshots.held_by(header.id).union((header.manifest or {}).values())
    _release(connections, snapshots, header, names, int(retention_ms) / 1000)
    connections.redis.delete(connections.keys.held(header.id))


def _release(
    connections: Connections, snapshots: Snapshots, header: Header, names: set[str], retention_s: float
) -> None:
    """Release those of *names* that no batch around *header* holds, for as long as each of them may need them.

    One that has ended before holds nothing any more, but needs its blobs for its own retention, to be run again.
    """
    if not names:
        return
    stays_s = max(retention_s, RELEASED_FOR_S)
    for around in _around(connections, header):
        held = snapshots.held_by(around.id)  # before the state: its end releases them
        is_open, around_s = _stands(connections, around.id)
        if is_open:
            names = names - held - set((around.manifest or {}).values())
        else:
            stays_s = max(stays_s, around_s)
    snapshots.release(header.blob_scope, names, stays_s, header.id)


def _stands(connections: Connections, batch_id: str) -> tuple[bool, float]:
    """Whether a batch has not ended, and its retention in seconds; 0.0 if it is gone."""
    state, retention_ms = connections.redis.hmget(connections.keys.meta(batch_id), ["state", "retention_ms"])
    return state in UNENDED_IN_REDIS, int(retention_ms or 0) / 1000


def _around(connections: Connections, header: Header) -> Iterator[Header]:
    """The batch whose item began this one, the one around that, and so on."""
    with suppress(BatchLost, DecodeError):
        while header.parent:
            header = read_header(connections.redis, connections.keys, header.parent)
            yield header
