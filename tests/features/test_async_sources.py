"""Items from async generators: read in the loop they belong to, whether the batch runs here or on workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import nodes
from tests.programs import Program

N = 1000


class Pages:
    """Numbers as they come from somewhere, page by page; remembers the loops that read them."""

    def __init__(self, n: int = N, fails_at: int | None = None) -> None:
        self.n, self.fails_at = n, fails_at
        self.given = 0
        self.loops: set[asyncio.AbstractEventLoop] = set()
        self.closed = False

    async def numbers(self) -> AsyncIterator[int]:
        try:
            for number in range(self.n):
                if number % 100 == 0:
                    await asyncio.sleep(0.001)
                if number == self.fails_at:
                    raise OSError("the source went away")
                self.loops.add(asyncio.get_running_loop())
                self.given += 1
                yield number
        finally:
            self.closed = True


NODES = pytest.mark.parametrize("node", [nodes.Square, nodes.AsyncSquare])


@NODES
def test_without_a_loop_they_get_one(executor: str, node: type[Any]) -> None:
    pages = Pages()
    assert node().map(pages.numbers()) == [i * i for i in range(N)]
    assert len(pages.loops) == 1
    assert pages.closed


@NODES
async def test_in_a_loop_they_are_read_there(executor: str, node: type[Any]) -> None:
    pages = Pages()
    assert await node().map_async(pages.numbers()) == [i * i for i in range(N)]
    assert pages.loops == {asyncio.get_running_loop()}


async def test_a_batch_is_fed_by_the_loop_that_submitted_it_while_that_reads_the_results(executor: str) -> None:
    pages = Pages()
    handle = nodes.Square().submit(pages.numbers())
    assert [value async for value in handle.results()] == [i * i for i in range(N)]
    assert pages.loops == {asyncio.get_running_loop()}


async def lookups(n: int) -> AsyncIterator[int]:
    """Numbers that are looked up in a thread of the loop's pool, as a name of a server is."""
    for number in range(n):
        yield await asyncio.to_thread(int, number)


async def test_batches_that_are_waited_for_leave_the_threads_of_the_loop_to_their_sources(executor: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        asyncio.get_running_loop().set_default_executor(pool)
        async with asyncio.timeout(20):
            found = await asyncio.gather(*(nodes.Square().map_async(lookups(5)) for _ in range(4)))
            assert found == [[0, 1, 4, 9, 16]] * 4
            seen = [outcome.output async for outcome in nodes.Square().stream(lookups(5))]
    assert sorted(seen) == [0, 1, 4, 9, 16]


class Panics(BaseException):
    """As those of extensions do, which no ``except Exception`` catches."""


@pytest.mark.parametrize("raised", [Panics(), BaseExceptionGroup("panics", [Panics()])], ids=repr)
async def test_what_the_source_raises_is_no_end_of_its_items_whatever_its_class(
    executor: str, raised: BaseException
) -> None:
    async def panics() -> AsyncIterator[int]:
        yield 1
        raise raised

    with pytest.raises(type(raised)):
        await nodes.Square().map_async(panics())
    handle = nodes.Square().submit(panics())
    with pytest.raises(type(raised)):
        await asyncio.to_thread(handle.wait)
    assert handle.progress().state == "cancelled"


async def test_a_source_that_was_cancelled_itself_says_so(executor: str) -> None:
    async def waits() -> AsyncIterator[int]:
        other = asyncio.ensure_future(asyncio.sleep(60))
        other.cancel()
        await other
        yield 1

    with pytest.raises(flowq.FlowError, match="what they waited for was cancelled"):
        await nodes.Square().map_async(waits())


EXITS = """
import asyncio
import flowq
from tests import nodes

async def numbers():
    yield 1
    await asyncio.sleep(0.1)
    raise SystemExit(3)

async def main():
    batch = nodes.Square().submit(numbers(), key="all of them")
    print(batch.id, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_source_that_ends_the_program_leaves_a_batch_that_is_not_whole(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    one = Program(tmp_path / "program.py", EXITS, env={"FLOWQ_BROKER_URL": cluster.broker_url})
    batch = flowq.get_batch(one.line())
    assert one.end()[0] == 3
    assert batch.progress().state == "running", "a further submit under its key gives the rest"
    batch.cancel()


class FromGenerator(flowq.ParallelBatchNode[int, int]):
    async def prep(self, shared: Any) -> AsyncIterator[int]:
        for number in range(shared["n"]):
            await asyncio.sleep(0)
            yield number

    def exec(self, item: int) -> int:
        return item * item

    def post(self, shared: Any, prep_res: Any, exec_res: list[int]) -> None:
        shared["total"] = sum(exec_res)


@pytest.mark.parametrize("in_loop", [False, True])
def test_prep_may_be_an_async_generator(inline: None, in_loop: bool) -> None:
    shared = {"n": 50}
    flow = flowq.Flow(start=FromGenerator())
    if in_loop:
        asyncio.run(flow.run_async(shared))
    else:
        flow.run(shared)
    assert shared["total"] == sum(i * i for i in range(50))


def test_what_it_raises_is_raised(executor: str) -> None:
    pages = Pages(fails_at=250)
    with pytest.raises(OSError, match="went away"):
        nodes.Square().map(pages.numbers())
    assert pages.closed


async def test_and_in_a_loop(executor: str) -> None:
    handle = nodes.Square().submit(Pages(fails_at=250).numbers())
    with pytest.raises(OSError, match="went away"):
        [one async for one in handle.as_completed()]


@NODES
def test_only_as_many_are_read_as_are_wanted(executor: str, node: type[Any]) -> None:
    pages = Pages()
    assert node().map(pages.numbers(), limit=10) == [i * i for i in range(10)]
    assert pages.given <= 11
    with pytest.raises(flowq.BatchInputError, match="max_items=20"):
        node(max_items=20).map(Pages().numbers())


@pytest.mark.filterwarnings("ignore:asynchronous generator .* was scheduled after")  # Python's, of a loop that ends
def test_half_of_the_items_do_not_pass_for_all_when_their_loop_ends(executor: str) -> None:
    async def main() -> Any:
        return nodes.Square().submit(Pages(n=100_000).numbers())

    handle = asyncio.run(main())
    with pytest.raises(flowq.FlowError, match="ended before"):
        handle.result()


async def test_a_loop_is_not_made_to_wait_for_itself(executor: str) -> None:
    with pytest.raises(flowq.LoopRunning, match=r"use `await node\.map_async\(items\)`"):
        nodes.Square().map(Pages().numbers())
