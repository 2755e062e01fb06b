"""Why a worker left chunks of a batch to others, kept in Redis for waiting clients and inspection (origin.py).

Decides nothing: the chunk is published again, and a worker that can run it takes it.
"""

from __future__ import annotations

import logging

from flowq.engine.connection import Connections
from flowq.engine.redis_client import REDIS_ERRORS

log = logging.getLogger("flowq.run")

KEPT_S = 150  # a chunk that was left is published again within a bit more than a minute


def note_lack(connections: Connections, batch_id: str, worker: str, reason: str) -> None:
    """Record that *worker* has left a chunk of a batch to others, and why. Redelivery: the last record stands."""
    try:
        connections.redis.set(connections.keys.lack(batch_id), f"{worker}: {reason}", ex=KEPT_S)
    except REDIS_ERRORS as error:
        log.debug("what is lacked was not noted", extra={"batch": batch_id, "error": repr(error)})
