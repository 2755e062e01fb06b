"""In which Redis list a batch's messages lie, by its priority: what tells whether any of them still wait."""

from __future__ import annotations

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.app import queue_list
from flowq.engine.batches import Headers
from flowq.local import EmbeddedRedis
from flowq.worker.caretaker import Caretaker
from tests.nodes import Square


@pytest.mark.parametrize("priority", [None, 0, 2, 5, 9])
def test_messages_that_wait_are_found_whatever_their_priority(
    redis_server: EmbeddedRedis, redis: Redis, priority: int | None
) -> None:
    executor = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    connections = executor.connections
    header = executor.submit(Square(priority=priority).job(range(5))).header
    caretaker = Caretaker(connections, Headers(connections.redis, connections.keys), "one")
    lies_in = queue_list(connections.app, header.queue, header.priority)
    assert redis.llen(lies_in) > 0
    assert not caretaker._is_idle(header)
    redis.delete(lies_in)
    assert caretaker._is_idle(header)
    connections.close()
