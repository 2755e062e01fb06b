"""What an aggregator leaves in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

from flowq.client.executor import CeleryExecutor
from flowq.engine.batches import Header
from flowq.engine.ending.folds import BEGUN_FOR_S, fold


def test_what_is_begun_and_never_ends_is_not_kept_for_ever(redis: Redis, producer: CeleryExecutor) -> None:
    connections = producer.connections
    key = connections.keys.fold("fold-1")
    left_s: list[int] = []

    def merge(deltas: Sequence[Any]) -> None:
        left_s.append(redis.ttl(key))

    redis.hset(connections.keys.meta("fold-1"), "retention_ms", 7 * 86_400_000)
    fold(connections, Header("fold-1", "fold", "Fold", "flowq", None, b"", reduces=True), 0, (0, 0), merge)
    assert left_s == [BEGUN_FOR_S]
    assert redis.ttl(key) == 7 * 86_400, "what was made is kept as long as the batch"
