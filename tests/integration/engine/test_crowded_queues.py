"""Queues with far more messages than workers take: no message is sent again only because it still lies there."""

from __future__ import annotations

from contextlib import nullcontext

import pytest
from celery import Celery
from redis import Redis

from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.codec import VERSION
from flowq.engine.app import CHUNK, queue_list
from flowq.engine.batches import Headers
from flowq.engine.ledger import SCHEMA_VERSION, Claimed, Ledger
from flowq.engine.running.slot import Slot
from flowq.worker.caretaker import SURPLUS, Caretaker
from flowq.worker.tasks import add_tasks
from tests.integration.engine.conftest import Clock, next_message
from tests.nodes import Square

BATCHES, CHUNKS = 300, 2  # without a worker a batch has the chunks of one slot open
MINUTE_MS = 60_000


class Care:
    """A caretaker on the test's clock, over batches that no worker takes."""

    def __init__(
        self, producer: CeleryExecutor, redis: Redis, clock: Clock, *, batches: int = BATCHES, items: int = 5
    ) -> None:
        connections = producer.connections
        self.redis, self.clock = redis, clock
        self.ledger = Ledger(connections.redis, connections.keys, connections.times, clock_ms=clock)
        connections._ledger = self.ledger
        self.batches: list[BatchHandle[int]] = [
            producer.submit(Square(chunk_size=1).job(range(items))) for _ in range(batches)
        ]
        self.list = queue_list(connections.app, self.batches[0].queue)
        self._caretaker = Caretaker(connections, Headers(connections.redis, connections.keys), "one", lambda: None)
        self._lock = connections.keys.caretaker(SCHEMA_VERSION, VERSION)

    def a_minute_later(self) -> int:
        """Make a round; returns how many messages lie in the queue."""
        self.clock.ms += MINUTE_MS
        self.redis.delete(self._lock)
        self._caretaker.tick()
        return int(self.redis.llen(self.list))


class Room:
    """Where flowq's tasks run: a process that is to stop, so that it takes nothing without a message."""

    def __init__(self, slot: Slot) -> None:
        self._slot = slot

    def slot(self) -> Slot:
        return self._slot

    def at_work(self) -> nullcontext[None]:
        return nullcontext()


@pytest.fixture
def care(producer: CeleryExecutor, redis: Redis, clock: Clock) -> Care:
    return Care(producer, redis, clock)


def test_a_queue_that_nobody_consumes_does_not_grow_for_ever(care: Care) -> None:
    assert care.redis.llen(care.list) == BATCHES * CHUNKS
    lengths = [care.a_minute_later() for _ in range(6)]
    assert max(lengths) <= BATCHES * CHUNKS + SURPLUS + CHUNKS


def test_messages_that_a_long_queue_has_lost_are_sent_again(care: Care) -> None:
    for _ in range(5):
        care.a_minute_later()
    care.redis.delete(care.list)
    assert care.a_minute_later() == BATCHES * CHUNKS


def test_a_chunk_whose_holder_is_lost_has_a_message_however_long_the_queue_is(care: Care) -> None:
    for _ in range(5):
        care.a_minute_later()
    last = care.batches[-1]
    assert isinstance(care.ledger.claim(last.id, "0:0-1", "somebody"), Claimed)
    before = care.redis.llen(care.list)
    assert care.a_minute_later() == before + 1
    newest = care.redis.lindex(care.list, 0)
    assert newest is not None
    assert last.id.encode() in newest


def test_messages_sent_again_leave_a_queue_that_is_consumed(
    producer: CeleryExecutor, redis: Redis, clock: Clock, slot_that_is_to_stop: Slot
) -> None:
    care, room, app = (
        Care(producer, redis, clock, batches=1, items=40),
        Room(slot_that_is_to_stop),
        Celery(set_as_current=False),
    )
    add_tasks(app, room)
    assert [care.a_minute_later() for _ in range(3)] == [2 * CHUNKS, 3 * CHUNKS, 4 * CHUNKS]

    def consume() -> str:
        args, retries = next_message(redis, care.list)
        return repr(app.tasks[CHUNK].apply(args, retries=retries, throw=True).result)

    went = [consume() for _ in range(20)]
    assert went.count("1 item") + went.count("gone") == len(went), "one that was sent again takes no other chunk"
    assert redis.llen(care.list) == CHUNKS, "a message for each chunk that is open"
    while redis.llen(care.list):
        consume()
    assert care.batches[0].result(timeout=10) == [n * n for n in range(40)]
    room.slot().close()
