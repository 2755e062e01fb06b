"""The two sides without a worker: a producer, and a process that runs what it is told to."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.slot import Slot
from flowq.local import EmbeddedRedis
from flowq.worker.pages import SharedPages


@pytest.fixture
def producer(redis: Redis, redis_server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    """Of the tests' Redis, which is empty again when it is over."""
    made = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    yield made
    made.connections.close()


@pytest.fixture
def slot(producer: CeleryExecutor) -> Iterator[Slot]:
    """Of that Redis; the only one of its worker."""
    made = Slot(producer.connections, "one", SharedPages().own(0))
    yield made
    made.close()
