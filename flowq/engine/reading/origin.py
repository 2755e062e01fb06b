"""Where a batch comes from, and why it may not progress: its producer is gone, or a worker left it. Read-only."""

from __future__ import annotations

from dataclasses import dataclass

from flowq.engine.connection import Connections
from flowq.engine.feed_beats import is_fed


@dataclass(frozen=True, slots=True)
class Origin:
    """What a user asks about a batch that does not progress.

    Attributes:
        key: the key it was submitted under; None if it has none, or if its flowq version did not store it.
        producer_gone: its items are not all written, and its producer has not sent a beat for a while. A submit under
            the same key continues it; otherwise it is cancelled when its retention has passed.
        left_by: the worker that recently left some of it to others, and why; None if none did, or if it has ended.
    """

    key: str | None
    producer_gone: bool
    left_by: str | None = None


def read_origin(connections: Connections, batch_id: str) -> Origin:
    """The origin of a batch or run; without information if Redis does not hold it."""
    keys = connections.keys
    with connections.redis.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.meta(batch_id), ["key", "state", "sealed"])
        pipe.zscore(keys.of(batch_id, "wake"), "feed")
        pipe.time()
        pipe.get(keys.lack(batch_id))
        (key, state, sealed), beats_until_ms, now, lack = pipe.execute()
    runs = state in (b"running", b"paused")
    gone = runs and sealed == b"0" and not is_fed(beats_until_ms, now)
    left_by = lack.decode(errors="replace") if runs and lack is not None else None
    return Origin(None if key is None else key.decode(errors="replace"), gone, left_by)
