"""A process that goes on by itself after a short chunk, and what one batch teaches the next."""

from __future__ import annotations

from flowq.client.executor import CeleryExecutor
from flowq.engine.ids import span
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.worker.boards import Boards
from tests.nodes import Slow, Square

N = 20


def opened(producer: CeleryExecutor, batch_id: str) -> list[tuple[int, int]]:
    """The chunks that are open, as from and stop."""
    names = producer.connections.redis.hkeys(producer.connections.keys.of(batch_id, "open"))
    return sorted(span(name.decode()) for name in names)


def test_short_chunks_ride_on_one_message(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Square(chunk_size=1).job(range(N)))
    assert opened(producer, handle.id) == [(0, 1), (1, 2)]
    assert run_chunk(slot, handle.id, "0:0-1") == f"{N} items", "one that waits for its message is not left to that"
    assert handle.result(timeout=10) == [n * n for n in range(N)]
    assert run_chunk(slot, handle.id, "0:1-2") == "gone", "its message finds it done"


def test_a_process_goes_on_for_longer_where_nobody_else_can_want_it(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Slow(0.02, chunk_size=1).job(range(N)))
    assert run_chunk(slot, handle.id, "0:0-1") == f"{N} items"
    assert handle.result(timeout=10) == list(range(N))


def test_it_makes_room_for_another_batch_after_a_fifth_of_a_second(producer: CeleryExecutor, slot: Slot) -> None:
    first = producer.submit(Slow(0.05, chunk_size=1).job(range(N)))
    second = producer.submit(Square().job(range(N)))
    run_chunk(slot, first.id, "0:0-1")
    assert first.progress().done < N
    assert len(opened(producer, first.id)) == 2, "its next chunks have messages"
    for handle in (first, second):
        handle.cancel()


def test_an_item_that_takes_its_time_is_a_task_of_its_own(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Slow(0.25, chunk_size=1).job(range(4)))
    assert run_chunk(slot, handle.id, "0:0-1") == "1 item"
    assert opened(producer, handle.id) == [(1, 2), (2, 3)]
    handle.cancel()


def test_a_stopping_worker_goes_on_with_nothing(producer: CeleryExecutor) -> None:
    boards = Boards()
    slot = Slot(producer.connections, "one", boards.own(0))
    handle = producer.submit(Square(chunk_size=1).job(range(4)))
    boards.stop()
    assert run_chunk(slot, handle.id, "0:0-1") == "1 item"
    assert opened(producer, handle.id) == [(1, 2), (2, 3)]
    handle.cancel()
    slot.close()


def test_the_next_batch_of_a_node_begins_with_the_sizes_that_one_taught(producer: CeleryExecutor, slot: Slot) -> None:
    first = producer.submit(Square().job(range(N)))
    assert opened(producer, first.id) == [(0, 1), (1, 2)], "of a node that nobody has run nothing is known"
    run_chunk(slot, first.id, "0:0-1")
    run_chunk(slot, first.id, "0:1-2")
    assert first.result(timeout=10) == [n * n for n in range(N)]
    second = producer.submit(Square().job(range(N)))
    (chunk, *_) = opened(producer, second.id)
    assert chunk[1] > 1
    another = producer.submit(Slow(0.0).job(range(N)))
    assert opened(producer, another.id) == [(0, 1), (1, 2)], "another node's are not its own"
    for handle in (second, another):
        handle.cancel()
