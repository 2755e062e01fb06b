"""Where a batch comes from, and why it may not get on: nobody feeds it, a worker has left it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from flowq.engine.connection import Connections
from flowq.engine.feed_beats import is_fed


@dataclass(frozen=True, slots=True)
class Origin:
    """What people ask of a batch that does not get on.

    Attributes:
        key: what it was submitted under; None without one, or by a flowq that did not keep it.
        producer_gone: its items are not all written, and who wrote them has not said for a while that he lives. A
            submit under its key goes on with it; else it is cancelled when its retention has passed.
        left_by: the worker that left something of it to others lately, and why; None if none did, or it has ended.
    """

    key: str | None
    producer_gone: bool
    left_by: str | None = None


def read_origin(connections: Connections, batch_id: str) -> Origin:
    """The origin of a batch or run; that of one that Redis does not hold says nothing."""
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
