"""Where a batch comes from, and why it may not progress: its producer is gone, or a worker left it. Read-only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowq.engine.connection import Connections
from flowq.engine.feed_beats import is_fed
from flowq.engine.states import UNENDED_IN_REDIS


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
    return read_origins(connections, [batch_id])[0]


def read_origins(connections: Connections, batch_ids: Sequence[str]) -> list[Origin]:
    """The origin of each batch or run, read in one round trip."""
    keys = connections.keys
    with connections.redis.pipeline(transaction=False) as pipe:
        pipe.time()
        for batch_id in batch_ids:
            pipe.hmget(keys.meta(batch_id), ["key", "state", "sealed"])
            pipe.zscore(keys.of(batch_id, "wake"), "feed")
            pipe.get(keys.lack(batch_id))
        now, *answers = pipe.execute()
    origins = []
    for at in range(0, len(answers), 3):
        (key, state, sealed), beats_until_ms, lack = answers[at : at + 3]
        runs = state in UNENDED_IN_REDIS
        gone = runs and sealed == b"0" and not is_fed(beats_until_ms, now)
        left_by = lack.decode(errors="replace") if runs and lack is not None else None
        origins.append(Origin(None if key is None else key.decode(errors="replace"), gone, left_by))
    return origins
