"""How long a process has slept before next tries of a batch's items, and so which waits it still sleeps through.

A parked item comes back with a message of its own, at the end of a batch up to a second late: little against sleeping
through every wait, much where a few items wait once.
"""

from __future__ import annotations

from flowq.batch.results.done import Done
from flowq.engine.connection import Connections
from flowq.engine.limits.permits import PARK_OVER_S

ENOUGH_S = 1.0
SHORT_S = 0.05
"""A shorter wait costs less than parking."""


class Slept:
    """One batch in this process."""

    def __init__(self) -> None:
        self._slept_s = 0.0

    def note(self, done: Done) -> None:
        """Count what the items of *done*, one after another, have waited."""
        self._slept_s += max(0.0, done.seconds - done.item_seconds)

    def retry_over_s(self, connections: Connections, batch_id: str) -> float:
        """Longer waits park their items. Asks Redis whether others could run meanwhile, once enough time was slept."""
        if self._slept_s < ENOUGH_S or not others_wait(connections, batch_id):
            return PARK_OVER_S
        return SHORT_S


def others_wait(connections: Connections, batch_id: str) -> bool:
    """Whether the batch has items that no chunk has yet, or that are parked."""
    keys = connections.keys
    with connections.redis.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.meta(batch_id), ["cur", "avail"])
        pipe.exists(keys.of(batch_id, "parked"), keys.of(batch_id, "redo"))
        (cur, avail), others = pipe.execute()
    return bool(others) or int(cur or 0) < int(avail or 0)
