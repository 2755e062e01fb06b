"""The two sides without a worker: a producer, and a process that runs what it is told to."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.codec import loads
from flowq.engine.running.slot import Slot
from flowq.engine.running.turn import OWN_TASKS
from flowq.local import EmbeddedRedis
from flowq.worker.boards import Boards


class Clock:
    """The ledger's, where a test says what time it is."""

    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def clock() -> Clock:
    return Clock()


def executor(settings: flowq.Settings) -> CeleryExecutor:
    """With the tasks of flowq alone, whatever other tests of this process have given to all of Celery's apps."""
    made = CeleryExecutor(settings)
    tasks = made.connections.app.tasks
    for name in [one for one in tasks if not one.startswith(OWN_TASKS)]:
        tasks.unregister(name)
    return made


@pytest.fixture
def producer(redis: Redis, redis_server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    """Of the tests' Redis, which is empty again when it is over."""
    made = executor(flowq.Settings(broker_url=redis_server.url))
    yield made
    made.connections.close()


def next_message(redis: Redis, name: str) -> tuple[list[str], int]:
    """Take the oldest message of the Redis list *name*: its task's arguments, and the retries it speaks of."""
    envelope = json.loads(redis.rpop(name) or b"")
    args, _, _ = loads(base64.b64decode(envelope["body"]))
    return args, envelope["headers"]["retries"]


@pytest.fixture
def slot_that_is_to_stop(producer: CeleryExecutor) -> Iterator[Slot]:
    """Of a process that takes nothing without a message."""
    boards = Boards()
    boards.stop()
    made = Slot(producer.connections, "one", boards.own(0))
    yield made
    made.close()


@pytest.fixture
def slot(producer: CeleryExecutor) -> Iterator[Slot]:
    """Of that Redis; the only one of its worker."""
    made = Slot(producer.connections, "one", Boards().own(0))
    yield made
    made.close()
