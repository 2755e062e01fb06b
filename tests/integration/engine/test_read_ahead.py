"""Outcomes that are read while their batch runs."""

from __future__ import annotations

from flowq.client.executor import CeleryExecutor
from flowq.engine.reading.read_ahead import ReadAhead
from flowq.engine.reading.results import read_dones
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from tests.nodes import Slow, Square

N = 6


def test_what_was_read_while_the_batch_ran_is_not_read_again(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Slow(0.25, chunk_size=1).job(range(N)))  # too slow for more than one on a message
    ahead = ReadAhead(producer.connections, handle.id)
    for item in range(N - 1):
        run_chunk(slot, handle.id, f"0:{item}-{item + 1}")
    assert not ahead.wait(0.1)
    before = list(read_dones(producer.connections, handle.id))
    out = producer.connections.keys.of(handle.id, "out")
    assert producer.connections.redis.delete(out)
    run_chunk(slot, handle.id, f"0:{N - 1}-{N}")
    assert ahead.wait(10)
    state, fields = ahead.commits()
    assert (state.state, len(fields)) == ("succeeded", 1), "the others are gone from Redis"
    names = [f"0:{item}-{item + 1}~0" for item in range(N)]
    dones = list(ahead.dones(names))
    assert dones[:-1] == before
    assert [value for done in dones for value in done.values] == list(range(N))


def test_the_close_before_a_redrive_is_not_the_end(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Square().job(range(N)))
    handle.cancel()
    assert ReadAhead(producer.connections, handle.id).wait(0)
    handle.retry_failed()
    reading = handle.reading_ahead()
    assert not reading.wait(0.1)
    run_chunk(slot, handle.id, "1:0-1")
    assert reading.wait(10)
    assert list(reading.result()) == [n * n for n in range(N)]


def test_a_result_that_was_read_ahead_can_be_had_again(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Square().job(range(N)))
    run_chunk(slot, handle.id, "0:0-1")
    reading = handle.reading_ahead()
    assert reading.wait(10)
    assert list(reading.result()) == list(reading.result()) == list(handle.result()) == [n * n for n in range(N)]
