"""Removing the parts of a sink that were written in vain: no commit names them. Never one that may still be named."""

from __future__ import annotations

import logging

from flowq.batch.allowed_sinks import refusal
from flowq.batch.sink import PartValues, generation_of, open_sink
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.reading.results import read_dones

log = logging.getLogger("flowq.sink")


def sweep(connections: Connections, header: Header, gen: int) -> int:
    """Remove what nobody reads of a batch that was closed in generation *gen*; answers how many parts that were.

    Redelivery: finds nothing more. A later generation's parts are left alone: they may be named in a moment.
    """
    if not header.sink or refusal(header.sink, connections.settings.sinks) is not None:
        return 0
    # What Redis raises passes: the aggregation is due again. What the client of a store raises may be anything, and is
    # no reason to confirm nothing.
    try:
        sink = open_sink(header.sink, header.id)
        # Listed before the commits are read: a part that is named between the two is not among the former.
        written = [one for one in sink.names() if 0 <= generation_of(one) <= gen]
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


def _not_removed(header: Header, error: Exception) -> int:
    log.warning("parts that nobody reads were not removed", extra={"batch": header.id, "error": repr(error)})
    return 0


def _is_sunk(values: object) -> bool:
    return isinstance(values, PartValues)
