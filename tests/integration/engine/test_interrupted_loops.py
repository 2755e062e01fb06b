"""A signal that raises in the event loop of a process, as that of Celery's soft time limit does, and not in an item."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.running import slot as slots
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.worker.boards import Boards

N = 60
begun: list[int] = []
may_end = threading.Event()


class TooLate(Exception):
    pass


class Interrupted(flowq.ParallelBatchNode[int, int]):
    """The items of its first two chunks never end; the last of them has the loop interrupted while it waits."""

    async def exec(self, item: int) -> int:
        begun.append(item)
        if len(begun) == 20:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
        if len(begun) <= 20:
            await asyncio.Event().wait()
        return item


@pytest.fixture
def what() -> type[BaseException]:
    return TooLate


@pytest.fixture(autouse=True)
def _limit(what: type[BaseException]) -> Iterator[None]:
    def raises(number: int, frame: FrameType | None) -> None:
        raise what

    before = signal.signal(signal.SIGALRM, raises)
    begun.clear()
    yield
    signal.signal(signal.SIGALRM, before)


def test_all_ranges_of_an_interrupted_process_are_given_back(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Interrupted(chunk_size=10, in_flight=20).job(range(N)))
    assert run_chunk(slot, handle.id, "0:0-10") == "broke off: TooLate: "
    assert len(begun) == 20
    assert not handle.held(), "nothing runs here any more"
    handle.cancel()


@pytest.mark.parametrize("what", [SystemExit])
def test_items_that_outlast_a_stopping_worker_are_given_back_and_count_no_crash(producer: CeleryExecutor) -> None:
    boards = Boards()
    slot = Slot(producer.connections, "one", boards.own(0))
    handle = producer.submit(Interrupted(chunk_size=10, in_flight=20).job(range(N)))
    with pytest.raises(SystemExit):
        run_chunk(slot, handle.id, "0:0-10")
    boards.stop()
    slot.close()
    state = handle.state()
    assert (handle.held(), state.crashes, state.losses) == ({}, 0, 0)
    handle.cancel()


class Blocking(flowq.ParallelBatchNode[int, int]):
    """Its first item has the loop interrupted; all wait in threads, which nothing can interrupt."""

    def exec(self, item: int) -> int:
        if item == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
        may_end.wait(5)
        return item


@pytest.mark.parametrize("what", [SystemExit])
def test_the_end_of_a_process_waits_for_no_thread_and_leaves_what_it_holds_to_its_main_process(
    producer: CeleryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "ENDS_WITHIN_S", 0.1)
    boards = Boards()
    slot = Slot(producer.connections, "one", boards.own(0))
    handle = producer.submit(Blocking(chunk_size=2, in_flight=2).job(range(2)))
    with pytest.raises(SystemExit):
        run_chunk(slot, handle.id, "0:0-2")
    slot.close()
    (board,) = boards.used()
    assert [chunk for _, chunk, _ in board.held] == ["0:0-2"]
    may_end.set()
    slot.close()
    handle.cancel()


def test_what_a_lifespan_has_begun_goes_on_after_an_interruption(slot: Slot) -> None:
    async def begin() -> asyncio.Task[bool]:
        return asyncio.create_task(asyncio.Event().wait())

    async def late() -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        await asyncio.Event().wait()

    async def done(task: asyncio.Task[bool]) -> bool:
        return task.done()

    keeps_alive = slot.run_async(begin())
    with pytest.raises(TooLate):
        slot.run_async(late())
    assert not slot.run_async(done(keeps_alive))
