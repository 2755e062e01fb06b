"""Real parts for every test: a private redis-server, and workers where a test asks for them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from flowq.local.redis_server import EmbeddedRedis


@pytest.fixture(scope="session")
def redis_server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator[Redis]:
    client = Redis.from_url(redis_server.redis_url)
    yield client
    client.flushall()
    client.close()
