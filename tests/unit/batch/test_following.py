"""Streams: one object for ``for`` and ``async for``; whoever leaves early is noticed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from flowq.batch.following import Stream
from tests.waiting import until


def test_blocks_are_read_one_after_another() -> None:
    assert list(Stream(iter([[1, 2], [], [3]]))) == [1, 2, 3]


async def test_an_event_loop_reads_the_same_and_is_not_blocked() -> None:
    goes_on = threading.Event()

    def blocks() -> Iterator[list[int]]:
        yield [1, 2]
        assert goes_on.wait(10)
        yield [3]

    seen = []
    async for one in Stream(blocks()):
        seen.append(one)
        if one == 2:
            asyncio.get_running_loop().call_later(0.01, goes_on.set)
    assert seen == [1, 2, 3]


async def test_streams_do_not_wait_for_each_other_to_be_read() -> None:
    others = threading.Barrier(4)

    def blocks() -> Iterator[list[int]]:
        others.wait(10)
        yield [1]

    async def read() -> list[int]:
        return [one async for one in Stream(blocks())]

    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        assert await asyncio.gather(*(read() for _ in range(4))) == [[1]] * 4


def test_a_loop_that_is_left_early_ends_the_reading_at_once() -> None:
    left: list[bool] = []
    for one in Stream(iter([[1, 2], [3]]), lambda: left.append(True)):
        if one == 2:
            break
    assert left == [True]


async def test_so_does_one_in_an_event_loop() -> None:
    left = threading.Event()
    async with Stream(iter([[1, 2], [3]]), left.set) as stream:
        async for one in stream:
            if one == 2:
                break
    assert left.is_set()
    async for _ in Stream(iter([[1], [2]]), left.clear):
        break
    await asyncio.to_thread(until, lambda: not left.is_set(), 5)


@pytest.mark.parametrize("begun", [True, False], ids=["which is read", "which nobody has read"])
async def test_a_stream_is_left_once_however_often_its_reader_is_cancelled(begun: bool) -> None:
    goes_on, left = threading.Event(), []

    def blocks() -> Iterator[list[int]]:
        yield [1]
        assert goes_on.wait(10)
        yield [2]

    async def read() -> None:
        async with Stream(blocks(), lambda: left.append(True)) as stream:
            if begun:
                async for _ in stream:
                    reading.set()
            else:
                reading.set()
                await asyncio.sleep(60)

    reading = asyncio.Event()
    # Whatever else is to run in the loop's own threads waits, as it may where these are busy.
    with ThreadPoolExecutor(1) as pool:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(pool)
        reader = asyncio.create_task(read())
        await reading.wait()
        if not begun:
            loop.run_in_executor(pool, goes_on.wait)
        while not reader.done():  # as anyio's cancel scopes do
            reader.cancel()
            await asyncio.sleep(0)
        goes_on.set()
    assert reader.cancelled()
    until(lambda: left == [True], 5)


@pytest.mark.parametrize("read", [0, 1])
def test_closing_is_leaving_and_reading_to_the_end_is_not(read: int) -> None:
    left: list[bool] = []
    with Stream(iter([[1], [2]]), lambda: left.append(True)) as stream:
        for _ in range(read):
            next(stream)
    assert left == [True]
    left.clear()
    with Stream(iter([[1], [2]]), lambda: left.append(True)) as stream:
        assert list(stream) == [1, 2]
    assert left == []


def test_one_stream_is_read_in_one_way() -> None:
    stream = Stream(iter([[1], [2]]))
    next(stream)
    with pytest.raises(RuntimeError, match="another one"):
        aiter(stream)
