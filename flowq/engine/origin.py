"""Where a batch comes from: the key it was submitted under, and whether somebody still feeds it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

from flowq.engine.connection import Connections


@dataclass(frozen=True, slots=True)
class Origin:
    """What people ask of a batch that does not get on.

    Attributes:
        key: what it was submitted under; None without one, or by a flowq that did not keep it.
        producer_gone: its items are not all written, and who wrote them has not said for a while that he lives. A
            submit under its key goes on with it; else it is cancelled when its retention has passed.
    """

    key: str | None
    producer_gone: bool


def read_origin(connections: Connections, batch_id: str) -> Origin:
    """The origin of a batch or run; that of one that Redis does not hold says nothing."""
    keys = connections.keys
    with connections.redis.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.meta(batch_id), ["key", "state", "sealed"])
        pipe.zscore(keys.of(batch_id, "wake"), "feed")
        pipe.time()
        (key, state, sealed), fed_until_ms, (seconds, micros) = pipe.execute()
    unfed = state in (b"running", b"paused") and sealed == b"0"
    gone = unfed and (fed_until_ms is None or fed_until_ms <= seconds * 1000 + micros / 1000)
    return Origin(None if key is None else key.decode(errors="replace"), gone)
