"""A process that goes on by itself after a short chunk, and what one batch teaches the next."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.ids import span
from flowq.engine.run import run_chunk
from flowq.engine.slot import Slot
from flowq.local import EmbeddedRedis
from flowq.worker.pages import SharedPages
from tests.nodes import Slow, Square

N = 20


@pytest.fixture
def executor(redis: Redis, redis_server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    made = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    yield made
    made.connections.close()


@pytest.fixture
def slot(executor: CeleryExecutor) -> Iterator[Slot]:
    made = Slot(executor.connections, "one", SharedPages().own(0))
    yield made
    made.close()


def opened(executor: CeleryExecutor, batch_id: str) -> list[tuple[int, int]]:
    """The chunks that are open, as from and stop."""
    names = executor.connections.redis.hkeys(executor.connections.keys.of(batch_id, "open"))
    return sorted(span(name.decode()) for name in names)


def test_short_chunks_ride_on_one_message(executor: CeleryExecutor, slot: Slot) -> None:
    handle = executor.submit(Square(chunk_size=1).job(range(N)))
    assert opened(executor, handle.id) == [(0, 1), (1, 2)]
    assert run_chunk(slot, handle.id, "0:0-1") == f"{N} items", "one that waits for its message is not left to that"
    assert handle.result(timeout=10) == [n * n for n in range(N)]
    assert run_chunk(slot, handle.id, "0:1-2") == "gone", "its message finds it done"


def test_an_item_that_takes_its_time_is_a_task_of_its_own(executor: CeleryExecutor, slot: Slot) -> None:
    handle = executor.submit(Slow(0.25, chunk_size=1).job(range(4)))
    assert run_chunk(slot, handle.id, "0:0-1") == "1 item"
    assert opened(executor, handle.id) == [(1, 2), (2, 3)]
    handle.cancel()


def test_a_stopping_worker_goes_on_with_nothing(executor: CeleryExecutor) -> None:
    pages = SharedPages()
    slot = Slot(executor.connections, "one", pages.own(0))
    handle = executor.submit(Square(chunk_size=1).job(range(4)))
    pages.stop()
    assert run_chunk(slot, handle.id, "0:0-1") == "1 item"
    assert opened(executor, handle.id) == [(1, 2), (2, 3)]
    handle.cancel()
    slot.close()


def test_the_next_batch_of_a_node_begins_with_the_sizes_that_one_taught(executor: CeleryExecutor, slot: Slot) -> None:
    first = executor.submit(Square().job(range(N)))
    assert opened(executor, first.id) == [(0, 1), (1, 2)], "of a node that nobody has run nothing is known"
    run_chunk(slot, first.id, "0:0-1")
    run_chunk(slot, first.id, "0:1-2")
    assert first.result(timeout=10) == [n * n for n in range(N)]
    second = executor.submit(Square().job(range(N)))
    (chunk, *_) = opened(executor, second.id)
    assert chunk[1] > 1
    another = executor.submit(Slow(0.0).job(range(N)))
    assert opened(executor, another.id) == [(0, 1), (1, 2)], "another node's are not its own"
    for handle in (second, another):
        handle.cancel()
