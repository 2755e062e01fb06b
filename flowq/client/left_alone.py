"""Warnings for a client that waits for a batch in vain: a worker left the batch to others, or its producer is gone."""

from __future__ import annotations

import contextlib
import logging
import time

from flowq.engine.connection import Connections
from flowq.engine.reading.origin import Origin, read_origin
from flowq.engine.redis_client import REDIS_ERRORS

log = logging.getLogger("flowq")

LOOK_EVERY_S = 5.0


class LeftAlone:
    """Checks from time to time whether a batch was left, and logs each reason once."""

    def __init__(self, connections: Connections, batch_id: str) -> None:
        self._connections, self._batch_id = connections, batch_id
        self._next_at = time.monotonic() + LOOK_EVERY_S
        self._said = set[str]()

    def look(self, *, is_fed_here: bool = False) -> None:
        """Check, if it is time; call it as often as you like while the batch has not ended.

        Args:
            is_fed_here: this process feeds the batch, so that its producer is alive, whatever its beat says.
        """
        if time.monotonic() < self._next_at:
            return
        self._next_at = time.monotonic() + LOOK_EVERY_S
        with contextlib.suppress(*REDIS_ERRORS):  # while Redis is away the wait goes on
            origin = read_origin(self._connections, self._batch_id)
            if origin.left_by is not None:
                why = origin.left_by + _advice_on_lack(origin.left_by, self._batch_id)
                self._say("items of %s wait for another worker, this one cannot run them: %s", why)
            if origin.producer_gone and not is_fed_here:
                self._say(
                    "the producer of %s is gone before it had written all items: %s", advice(self._batch_id, origin)
                )

    def _say(self, message: str, why: str) -> None:
        if why not in self._said:
            self._said.add(why)
            log.warning(message, self._batch_id, why, extra={"batch": self._batch_id})


def advice(batch_id: str, origin: Origin) -> str:
    """What to do about a batch whose producer is gone."""
    if origin.key is not None:
        return "a submit of the same items under its key writes the rest"
    return f"what is there runs, `flowq cancel {batch_id}` ends it"


def _advice_on_lack(lack: str, batch_id: str) -> str:
    """What to do if no worker can ever know what is lacking; "" if one may."""
    if "'__main__:" not in lack:
        return ""
    return (
        ". Workers cannot import a program (__main__); those of its LocalCluster know what stands at the top of its "
        "script, and nothing that was typed at a prompt. Move it to a module that the workers import, and end the "
        f"batch: `flowq cancel {batch_id}`"
    )
