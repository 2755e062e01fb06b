"""The producer's side alone: batches that no worker takes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.local import EmbeddedRedis


@pytest.fixture
def producer(redis: Redis, redis_server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    """Of the tests' Redis, which is empty again when it is over."""
    made = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    yield made
    made.connections.close()
