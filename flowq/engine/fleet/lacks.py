"""What a worker lacks that has left a batch to others, kept in Redis for whoever waits for it, or looks (origin.py).

It decides nothing: a chunk that was left is brought again, and a worker that knows more takes it.
"""

from __future__ import annotations

import logging

from flowq.engine.connection import Connections
from flowq.engine.redis_client import REDIS_ERRORS

log = logging.getLogger("flowq.run")

KEPT_S = 150  # a chunk that is left is brought again within a minute, or a bit more


def note_lack(connections: Connections, batch_id: str, worker: str, reason: str) -> None:
    """Note that *worker* has left something of a batch to others. Redelivery: the last one stands."""
    try:
        connections.redis.set(connections.keys.lack(batch_id), f"{worker}: {reason}", ex=KEPT_S)
    except REDIS_ERRORS as error:
        log.debug("what is lacked was not noted", extra={"batch": batch_id, "error": repr(error)})
