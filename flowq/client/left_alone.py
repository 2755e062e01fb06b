"""Telling who waits for a batch that a worker has left it to others: there may be none that can run it."""

from __future__ import annotations

import contextlib
import logging
import time

from flowq.engine.connection import Connections
from flowq.engine.fleet.lacks import read_lack
from flowq.engine.redis_client import REDIS_ERRORS

log = logging.getLogger("flowq")

LOOK_EVERY_S = 5.0


class LeftAlone:
    """Looks now and then whether a batch was left, and says each reason once."""

    def __init__(self, connections: Connections, batch_id: str) -> None:
        self._connections, self._batch_id = connections, batch_id
        self._next_at = time.monotonic() + LOOK_EVERY_S
        self._said: str | None = None

    def look(self) -> None:
        """Called while the batch has not ended, as often as one likes."""
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LOOK_EVERY_S
        with contextlib.suppress(*REDIS_ERRORS):  # while Redis is away a batch is waited for all the same
            lack = read_lack(self._connections, self._batch_id)
            if lack is not None and lack != self._said:
                self._said = lack
                log.warning(
                    "items of %s wait for another worker, this one cannot run them: %s", self._batch_id, lack,
                    extra={"batch": self._batch_id},
                )  # fmt: skip
