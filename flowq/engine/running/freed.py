"""Giving back chunks whose holder does not continue, so that others can take them before the lease expires."""

from __future__ import annotations

import logging

from flowq.engine.batches import Headers
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ids import span
from flowq.engine.ledger import Committed, Give, Ledger, Refusal, Stale
from flowq.errors import BatchLost, DecodeError

log = logging.getLogger("flowq.freed")


def give_back(
    ledger: Ledger, batch_id: str, chunk_id: str, start: int, holder: str, cause: Give
) -> Committed | Stale | Refusal:
    """Give a chunk back for *cause*, from *start* or from where the ledger stands. Nothing is published."""
    reply = ledger.commit(batch_id, chunk_id, start, start, holder, give=cause)
    if isinstance(reply, Stale):  # some of its items are committed
        reply = ledger.commit(batch_id, chunk_id, reply.start, reply.start, holder, give=cause)
    return reply


def free(connections: Connections, headers: Headers, batch_id: str, chunk_id: str, holder: str, cause: Give) -> None:
    """Give the rest of a chunk back for *cause* and publish it.

    Redelivery: a chunk that *holder* no longer holds is left alone.
    """
    reply = give_back(connections.ledger, batch_id, chunk_id, span(chunk_id)[0], holder, cause)
    if isinstance(reply, Committed):
        connections.crash_points.reached("freed", batch_id)
        try:
            publish_chunks(connections, headers.get(batch_id), reply.ids)
        except (BatchLost, DecodeError) as error:
            log.warning("a freed chunk was not published", extra={"batch": batch_id, "error": str(error)})
