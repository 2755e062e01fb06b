"""Batches that occupy a slot for long have it in turn, whatever number of messages each has in the queue."""

from __future__ import annotations

import pytest
from redis import Redis

from flowq.client.executor import CeleryExecutor
from flowq.engine.app import queue_list
from flowq.engine.batches import Headers
from flowq.engine.dispatch import publish_chunks
from flowq.engine.running import rounds
from flowq.engine.running.chunk_task import PUT_BACK, run_chunk
from flowq.engine.running.slot import Slot
from tests.integration.engine.conftest import next_message
from tests.nodes import Square

RAN = "1 item"


@pytest.fixture(autouse=True)
def any_task_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rounds, "LONG_S", 0.0)


class Queue:
    """Its messages, delivered one by one to a process that takes no chunk without one, as it is to stop."""

    def __init__(self, producer: CeleryExecutor, slot: Slot, redis: Redis) -> None:
        self._redis, self._slot = redis, slot
        self._list = queue_list(producer.connections.app, "flowq")

    def deliver(self) -> tuple[str, bool, str]:
        """The batch of the next message, whether that has been sent before, and how it went."""
        (batch_id, chunk_id), retries = next_message(self._redis, self._list)
        return batch_id, bool(retries), run_chunk(self._slot, batch_id, chunk_id, again=bool(retries))

    def lose(self, messages: int) -> None:
        """Others take them."""
        assert len(self._redis.rpop(self._list, messages)) == messages


@pytest.fixture
def queue(producer: CeleryExecutor, slot_that_is_to_stop: Slot, redis: Redis) -> Queue:
    return Queue(producer, slot_that_is_to_stop, redis)


def submitted(producer: CeleryExecutor) -> str:
    return producer.submit(Square(chunk_size=1).job(range(2))).id


def test_a_batch_that_had_the_slot_lets_the_others_pass(producer: CeleryExecutor, queue: Queue) -> None:
    one, other = submitted(producer), submitted(producer)
    assert queue.deliver() == (one, False, RAN)
    assert queue.deliver() == (one, False, PUT_BACK)
    assert queue.deliver() == (other, False, RAN)
    assert queue.deliver() == (other, False, PUT_BACK)
    assert queue.deliver() == (one, False, RAN)
    assert queue.deliver() == (other, False, RAN)


def test_it_has_the_slot_again_if_no_message_of_another_is_there(producer: CeleryExecutor, queue: Queue) -> None:
    submitted(producer)
    queue.lose(2)
    one = submitted(producer)
    assert queue.deliver() == (one, False, RAN)
    assert queue.deliver() == (one, False, PUT_BACK)
    assert queue.deliver() == (one, False, RAN)


def test_a_batch_that_is_alone_has_every_turn(producer: CeleryExecutor, queue: Queue) -> None:
    one = submitted(producer)
    assert queue.deliver() == (one, False, RAN)
    assert queue.deliver() == (one, False, RAN)


def test_a_message_that_was_sent_again_is_known_as_that_behind_the_others_too(
    producer: CeleryExecutor, queue: Queue, redis: Redis
) -> None:
    one = submitted(producer)
    assert queue.deliver() == (one, False, RAN)
    submitted(producer)
    header = Headers(redis, producer.connections.keys).get(one)
    publish_chunks(producer.connections, header, ["0:1-2"], again=True)
    queue.lose(3)
    assert queue.deliver() == (one, True, PUT_BACK)
    assert queue.deliver() == (one, True, RAN)
