"""What a process that runs items side by side will not begin is for others at once, however long those items take."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.engine.running import stream
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.worker.boards import Boards
from tests.waiting import until

N = 500
begun: list[int] = []
may_end = threading.Event()


class FirstIsSlow(flowq.ParallelBatchNode[int, int]):
    async def exec(self, item: int) -> int:
        begun.append(item)
        await asyncio.sleep(0.02)
        if item == 0:
            await asyncio.to_thread(may_end.wait, 20)
        return item


def its_batch_is_paused(handle: BatchHandle[Any], _: Boards) -> None:
    handle.pause()


def its_worker_is_to_stop(_: BatchHandle[Any], boards: Boards) -> None:
    boards.stop()


def its_turn_is_over(_handle: BatchHandle[Any], _boards: Boards) -> None:
    """After a moment, which the test sets."""


@pytest.mark.parametrize(
    ("leave", "options"),
    [(its_batch_is_paused, {}), (its_worker_is_to_stop, {}), (its_turn_is_over, {"rate": "100/s"})],
)
def test_the_rest_of_a_range_is_given_back_while_a_slow_item_of_it_runs(
    producer: CeleryExecutor,
    monkeypatch: pytest.MonkeyPatch,
    leave: Callable[[BatchHandle[Any], Boards], None],
    options: dict[str, Any],
) -> None:
    begun.clear()
    may_end.clear()
    if leave is its_turn_is_over:
        monkeypatch.setattr(stream, "TAKE_FOR_S", 0.5)
        monkeypatch.setattr(stream, "ALONE_FOR_S", 0.5)
    boards = Boards()
    slot = Slot(producer.connections, "one", boards.own(0))
    handle: BatchHandle[Any] = producer.submit(FirstIsSlow(in_flight=2, chunk_size=N, **options).job(range(N)))
    with ThreadPoolExecutor(1) as beside:
        running = beside.submit(run_chunk, slot, handle.id, f"0:0-{N}")
        try:
            until(lambda: len(begun) > 5, 10, "some run")
            leave(handle, boards)
            until(lambda: set(handle.held()) == {"0:0-1~1"}, 5, "the rest is given back")
            assert handle.state().done == len(begun) - 1 < N - 1, "what has ended is committed"
        finally:
            may_end.set()
        running.result(timeout=5)
    state = handle.state()
    assert (state.done, state.crashes, state.losses) == (len(begun), 0, 0)
    assert not handle.held()
    handle.cancel()
    slot.close()
