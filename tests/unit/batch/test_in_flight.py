"""The async path of the runner: tasks, threads, places, and that nothing is left running."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterable
from contextvars import ContextVar
from typing import Any

import pytest

from flowq.batch import BatchNode, ItemDone, Runner
from flowq.core import ItemContext, RetryAfter, current_context
from flowq.errors import ItemCancelled, ItemTimeout
from tests.peak import Peak

colour: ContextVar[str] = ContextVar("colour", default="none")


async def source(items: Iterable[Any], start: int = 0) -> AsyncIterator[tuple[int, Any, int]]:
    for index, item in enumerate(items, start):
        yield index, item, 0


async def run(node: BatchNode[Any, Any], items: Iterable[Any], places: int = 10, **more: Any) -> dict[int, ItemDone]:
    ended: dict[int, ItemDone] = {}
    await Runner(node, node.policy()).run_async(source(items), places, ended.__setitem__, **more)
    return ended


class Echo(BatchNode[Any, Any]):
    async def exec(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return x


class BlockingEcho(BatchNode[Any, Any]):
    def exec(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize("node", [Echo(), BlockingEcho()])
async def test_every_item_reaches_the_sink_once(node: BatchNode[Any, Any]) -> None:
    ended = await run(node, range(200))
    assert {index: item.value for index, item in ended.items()} == {n: n for n in range(200)}
    assert all(item.outcome is None and item.park is None for item in ended.values())


async def test_no_more_items_run_at_once_than_there_are_places() -> None:
    peak = Peak()

    class Counts(BatchNode[int, None]):
        async def exec(self, x: int) -> None:
            with peak:
                await asyncio.sleep(0)

    await run(Counts(), range(50), 7)
    assert peak.most == 7


async def test_the_source_is_asked_only_when_a_place_is_free() -> None:
    gate = asyncio.Event()
    asked: list[int] = []

    async def watched() -> AsyncIterator[tuple[int, Any, int]]:
        for n in range(10):
            asked.append(n)
            yield n, n, 0

    class Waits(BatchNode[int, int]):
        async def exec(self, x: int) -> int:
            await gate.wait()
            return x

    node = Waits()
    task = asyncio.create_task(Runner(node, node.policy()).run_async(watched(), 3, lambda *_: None))
    for _ in range(20):
        await asyncio.sleep(0)
    assert asked == [0, 1, 2]
    gate.set()
    await task
    assert asked == list(range(10))


async def test_blocking_items_share_their_process_in_threads() -> None:
    together = threading.Barrier(8, timeout=10)

    class Meets(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            together.wait()
            return x

    assert len(await run(Meets(), range(16), 8)) == 16


@pytest.mark.parametrize("blocking", [True, False])
async def test_retries_fallbacks_and_failures_are_those_of_the_sync_path(blocking: bool) -> None:
    tries: dict[int, int] = {}

    def body(x: int) -> int:
        tries[x] = tries.get(x, 0) + 1
        if x and tries[x] <= x:
            raise ValueError(str(x))
        return x

    class Blocking(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            return body(x)

        def exec_fallback(self, x: int, exc: Exception) -> int:
            if x == 9:
                raise exc
            return -x

    class Async(BatchNode[int, int]):
        async def exec(self, x: int) -> int:
            await asyncio.sleep(0)
            return body(x)

        async def exec_fallback(self, x: int, exc: Exception) -> int:
            if x == 9:
                raise exc
            return -x

    node: BatchNode[int, int] = (Blocking if blocking else Async)(max_retries=3, on_error="collect")
    ended = await run(node, [0, 1, 2, 3, 9])
    seen = [
        (item.value, item.outcome and (item.outcome.status, item.outcome.attempts)) for _, item in sorted(ended.items())
    ]
    assert seen == [(0, None), (1, ("ok", 2)), (2, ("ok", 3)), (-3, ("fallback", 3)), (None, ("failed", 3))]
    outcome = ended[4].outcome
    assert outcome is not None
    assert outcome.error is not None
    assert "item 4, attempt 3" in outcome.error.__notes__[0]


@pytest.mark.parametrize("blocking", [True, False])
@pytest.mark.parametrize(("max_retries", "status", "attempts"), [(3, "ok", 3), (2, "failed", 2)])
async def test_a_thousand_concurrent_items_have_exact_attempts(
    blocking: bool, max_retries: int, status: str, attempts: int
) -> None:
    tries = [0] * 1000

    class Blocking(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            assert self.cur_retry == tries[x]
            tries[x] += 1
            if tries[x] <= 2:
                raise ValueError
            return x

    class Async(BatchNode[int, int]):
        async def exec(self, x: int) -> int:
            await asyncio.sleep(0)
            assert self.cur_retry == tries[x]
            tries[x] += 1
            await asyncio.sleep(0)
            if tries[x] <= 2:
                raise ValueError
            return x

    node: BatchNode[int, int] = (Blocking if blocking else Async)(max_retries=max_retries, on_error="collect")
    ended = await run(node, range(1000), 100)
    assert len(ended) == 1000
    assert {(i.outcome.status, i.outcome.attempts) for i in ended.values() if i.outcome} == {(status, attempts)}


async def test_a_try_that_takes_too_long_times_out_and_is_tried_again() -> None:
    seen: list[int] = []

    class Hangs(BatchNode[int, str]):
        async def exec(self, x: int, *, ctx: ItemContext) -> str:
            seen.append(ctx.attempt)
            if ctx.attempt == 0 or x:
                await asyncio.Event().wait()
            return "ok"

    ended = await run(Hangs(max_retries=2, timeout=0.02, on_error="collect"), [0, 1])
    assert ended[0].value == "ok"
    assert ended[1].outcome is not None
    assert isinstance(ended[1].outcome.error, ItemTimeout)
    assert sorted(seen) == [0, 0, 1, 1]


async def test_a_timeout_of_the_items_own_is_its_own() -> None:
    class Own(BatchNode[int, None]):
        async def exec(self, x: int) -> None:
            async with asyncio.timeout(0.001):
                await asyncio.Event().wait()

    ended = await run(Own(timeout=30, on_error="collect"), [0])
    assert ended[0].outcome is not None
    assert type(ended[0].outcome.error) is TimeoutError


async def test_cancelling_cancels_the_items_and_waits_for_them() -> None:
    started = asyncio.Event()
    cleaned: list[int] = []

    class Cleans(BatchNode[int, None]):
        async def exec(self, x: int) -> None:
            if x == 4:
                started.set()
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                cleaned.append(x)

    node = Cleans()
    sunk: list[int] = []
    task = asyncio.create_task(
        Runner(node, node.policy()).run_async(source(range(100)), 5, lambda index, _: sunk.append(index))
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert sorted(cleaned) == [0, 1, 2, 3, 4]
    assert sunk == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_cancelling_waits_for_threads_and_keeps_what_they_bring() -> None:
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    told: list[bool] = []

    class Listens(BatchNode[int, str]):
        def exec(self, x: int, *, ctx: ItemContext) -> str:
            loop.call_soon_threadsafe(started.set)
            until = time.monotonic() + 10
            while not ctx.cancelled and time.monotonic() < until:
                time.sleep(0.001)
            told.append(ctx.cancelled)
            return "finished"

    node = Listens()
    ended: dict[int, ItemDone] = {}
    task = asyncio.create_task(Runner(node, node.policy()).run_async(source(range(100)), 1, ended.__setitem__))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [True]
    assert ended[0].value == "finished"
    assert len(ended) == 1


async def test_a_thread_that_waits_for_its_next_try_ends_when_cancelled() -> None:
    loop = asyncio.get_running_loop()
    failed = asyncio.Event()

    class Later(BatchNode[int, None]):
        def exec(self, x: int) -> None:
            loop.call_soon_threadsafe(failed.set)
            raise ValueError

    node = Later(max_retries=2, wait=3600)
    task = asyncio.create_task(Runner(node, node.policy()).run_async(source([1]), 1, lambda *_: None))
    await failed.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_item_that_was_cancelled_by_something_else_has_failed() -> None:
    class Awaits(BatchNode[int, int]):
        async def exec(self, x: int) -> int:
            if x == 1:
                inner = asyncio.ensure_future(asyncio.Event().wait())
                inner.cancel()
                await inner
            return x

    ended = await run(Awaits(on_error="collect"), [0, 1, 2])
    assert [ended[n].value for n in (0, 2)] == [0, 2]
    assert ended[1].outcome is not None
    assert isinstance(ended[1].outcome.error, ItemCancelled)


async def test_what_the_sink_raises_ends_the_run_and_cancels_the_rest() -> None:
    cancelled: list[int] = []

    class Mixed(BatchNode[int, int]):
        async def exec(self, x: int) -> int:
            if x == 0:
                return x
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append(x)
                raise
            return x

    def full(index: int, item: ItemDone) -> None:
        raise OSError("disk full")

    node = Mixed()
    with pytest.raises(OSError, match="disk full"):
        await Runner(node, node.policy()).run_async(source(range(9)), 3, full)
    assert sorted(cancelled) == [1, 2]


async def test_what_the_source_raises_ends_the_run() -> None:
    async def breaks() -> AsyncIterator[tuple[int, Any, int]]:
        yield 0, 0, 0
        raise OSError("gone")

    node = Echo()
    with pytest.raises(OSError, match="gone"):
        await Runner(node, node.policy()).run_async(breaks(), 3, lambda *_: None)


async def test_a_long_wait_parks_an_item_and_tries_go_on_from_there() -> None:
    class Limited(BatchNode[int, int]):
        async def exec(self, x: int, *, ctx: ItemContext) -> int:
            if ctx.attempt < 2:
                raise RetryAfter(ctx.attempt * 60)
            return x

    node = Limited(max_retries=3)
    ended = await run(node, [5], park_over_s=1.0)
    assert ended[0].park is not None
    assert (ended[0].park.tries, ended[0].park.due_in_s) == (2, 60.0)

    async def again() -> AsyncIterator[tuple[int, Any, int]]:
        yield 0, 5, 2

    await Runner(node, node.policy()).run_async(again(), 1, ended.__setitem__)
    assert ended[0].value == 5
    assert ended[0].outcome is not None
    assert ended[0].outcome.attempts == 3


@pytest.mark.parametrize("blocking", [True, False])
async def test_context_variables_reach_the_items_and_do_not_leak_between_them(blocking: bool) -> None:
    class Blocking(BatchNode[int, Any]):
        def exec(self, x: int) -> Any:
            seen = colour.get()
            colour.set(f"set by {x}")
            return seen, current_context() and current_context().item_index  # type: ignore[union-attr]

    class Async(BatchNode[int, Any]):
        async def exec(self, x: int) -> Any:
            seen = colour.get()
            colour.set(f"set by {x}")
            await asyncio.sleep(0)
            return seen, current_context() and current_context().item_index  # type: ignore[union-attr]

    colour.set("blue")
    ended = await run((Blocking if blocking else Async)(), range(20), 3)
    assert [ended[n].value for n in range(20)] == [("blue", n) for n in range(20)]


async def test_a_blocking_exec_with_an_async_fallback_runs_in_the_loop() -> None:
    class Mixed(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            raise ValueError

        async def exec_fallback(self, x: int, exc: Exception) -> int:
            await asyncio.sleep(0)
            return -x

    node = Mixed()
    assert Runner(node, node.policy()).is_async
    assert (await run(node, [3]))[0].value == -3
