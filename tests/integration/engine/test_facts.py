"""What a batch's items wait for, as its ledger spells it."""

from __future__ import annotations

from redis import Redis

from flowq.engine.connection import Connections
from flowq.engine.ending.facts import awaited_events, event_fact
from flowq.local import EmbeddedRedis
from flowq.settings import Settings


def test_an_awaited_event_is_told_by_its_whole_name(redis_server: EmbeddedRedis, redis: Redis) -> None:
    connections = Connections(Settings(broker_url=redis_server.url))
    for name in ("approval", "order:paid", "order:paid:12"):
        redis.hset(connections.keys.of("b-1", "waits"), event_fact(name, 0), "0:0-1~1")
    assert awaited_events(connections, "b-1") == ["approval", "order:paid", "order:paid:12"]
    connections.close()
