"""Waiting for batches over and over: what is said to who waits is read, or it would stay where it is."""

from __future__ import annotations

from flowq.client.executor import CeleryExecutor
from tests.nodes import Square


def test_redis_keeps_nothing_for_who_looks_again_and_again_whether_a_batch_has_ended(producer: CeleryExecutor) -> None:
    batch = producer.submit(Square().job([1]))
    for _ in range(3000):
        assert not producer.closings.wait(batch.id, 0)
    unread_bytes = {int(one["omem"]) for one in producer.connections.redis.client_list()}
    assert unread_bytes == {0}


def test_nothing_is_remembered_of_batches_that_had_ended_before_they_were_waited_for(producer: CeleryExecutor) -> None:
    for item in range(50):
        batch = producer.submit(Square().job([item]))
        batch.cancel()
        assert producer.closings.wait(batch.id)
    (idle,) = producer.closings._idle
    assert len(idle.channels) == 1, "that which was waited for last"
