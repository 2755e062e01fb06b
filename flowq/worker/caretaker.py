"""The caretaker: each second one worker of the fleet asks every running batch what is due, and publishes it."""

from __future__ import annotations

import logging

from flowq.engine.aggregate import AGGREGATE, publish_aggregate
from flowq.engine.batches import Headers
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.presence import Fleet
from flowq.errors import BatchLost, DecodeError

log = logging.getLogger("flowq.caretaker")


class Caretaker:
    """One worker's part in it: whoever gets the round's lock makes the round."""

    def __init__(self, connections: Connections, headers: Headers, name: str) -> None:
        self._connections, self._headers, self._name = connections, headers, name
        self._fleet = Fleet(connections.redis, connections.keys)

    def tick(self) -> None:
        """One round, if nobody else makes it."""
        redis, keys = self._connections.redis, self._connections.keys
        lock_ms = max(1, int(self._connections.settings.pulse_s * 900))
        if not redis.set(keys.caretaker, self._name, nx=True, px=lock_ms):
            return
        for name in redis.zrange(keys.batches, 0, -1):
            batch_id = name.decode()
            try:
                self._care(batch_id)
            except BatchLost:
                redis.zrem(keys.batches, batch_id)
            except DecodeError as error:
                log.error("a batch cannot be read", extra={"batch": batch_id, "error": str(error)})

    def _care(self, batch_id: str) -> None:
        header = self._headers.get(batch_id)
        ledger = self._connections.ledger
        woken = ledger.wake(batch_id, window=self._fleet.window(header.queue))
        if woken.state == "lost":
            raise BatchLost(batch_id)
        publish_chunks(self._connections, header, [one for one in woken.ids if one != AGGREGATE])
        if AGGREGATE in woken.ids:
            publish_aggregate(self._connections, header, self._fleet.slots(header.queue))
