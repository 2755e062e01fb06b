"""Removing parts of a sink that no commit refers to. Never removes one that may still be referred to."""

from __future__ import annotations

import logging

from flowq.batch.results.allowed_sinks import refusal
from flowq.batch.results.done import Done
from flowq.batch.results.sink import PartValues, Sink, generation_of, open_sink
from flowq.codec import loads
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.ids import generation, record
from flowq.engine.reading.results import read_dones

log = logging.getLogger("flowq.sink")


def sweep(connections: Connections, header: Header, gen: int) -> int:
    """Remove the unreferenced parts of a batch that was closed in generation *gen*; returns their number.

    Redelivery: finds nothing more. Parts of a later generation are left alone: they may be committed any moment. So are
    those of other batches of this id: who has their results reads them.
    """
    if not header.sink or refusal(header.sink, connections.settings.sinks) is not None:
        return 0
    # Not from *header*, which a process may have kept of an earlier batch of this id.
    birth = (connections.redis.hget(connections.keys.meta(header.id), "birth") or b"").decode()
    # Redis errors propagate: the aggregation stays due. The client of a store may raise anything, which must not keep
    # the generation from being confirmed.
    try:
        sink = open_sink(header.sink, header.id)
        # Listed before the commits are read, so that a part that is committed in between is not among those listed.
        written = [one for one in sink.names() if 0 <= generation_of(one, birth) <= gen]
    except Exception as error:
        return _not_removed(header, error)
    named = {done.values.address for done in read_dones(connections, header.id) if _is_sunk(done.values)}  # type: ignore[attr-defined]
    orphans = [one for one in written if one not in named]
    try:
        for one in orphans:
            sink.remove(one)
    except Exception as error:
        return _not_removed(header, error)
    return len(orphans)


def take_back(connections: Connections, header: Header, sink: Sink, chunk_id: str, blob: bytes) -> None:
    """Remove the part in *blob*, a commit that was refused: the sweep of the batch may be over already.

    Not if the ledger holds this very commit (it was repeated because its first reply was lost), nor if it holds nothing
    of the batch any more: then nobody knows which parts were committed.
    """
    done = Done.from_plain(loads(blob))
    if not _is_sunk(done.values):
        return
    field = f"{generation(chunk_id)}:{done.start}-{done.upto}~{record(chunk_id)}"
    redis, keys = connections.redis, connections.keys
    try:
        # In this order, because all keys of a batch expire at the same moment.
        if redis.hget(keys.of(header.id, "out"), field) != blob and redis.exists(keys.meta(header.id)):
            sink.remove(done.values.address)  # type: ignore[attr-defined]
    except Exception as error:
        _not_removed(header, error)


def _not_removed(header: Header, error: Exception) -> int:
    log.warning("parts that nobody reads were not removed", extra={"batch": header.id, "error": repr(error)})
    return 0


def _is_sunk(values: object) -> bool:
    return isinstance(values, PartValues)
