"""Batches in this process: where they end, what they bring, sync and async alike."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from time import perf_counter
from typing import Any

import pytest

from flowq.batch import (
    BatchJob,
    BatchNode,
    BatchResult,
    InlineExecutor,
    ParallelBatchNode,
    Rate,
    parallel_batch_node,
)
from flowq.core import Flow, ItemContext, Node, drive, drive_async
from flowq.errors import BatchError, BatchInputError, ItemCancelled, LoopRunning
from tests.peak import Peak


class Blocking(ParallelBatchNode[Any, Any]):
    def exec(self, x: Any) -> Any:
        return act(x)


class Async(ParallelBatchNode[Any, Any]):
    async def exec(self, x: Any) -> Any:
        await asyncio.sleep(0)
        return act(x)


def act(x: Any) -> Any:
    if isinstance(x, int) and x < 0:
        raise ValueError(f"{x} is negative")
    return x


KINDS = pytest.mark.parametrize(
    ("cls", "options"),
    [(Blocking, {}), (Blocking, {"concurrency": 4}), (Async, {}), (Async, {"concurrency": 1})],
    ids=["blocking", "threads", "async", "async-one-by-one"],
)
DRIVERS = pytest.mark.parametrize("driven_async", [False, True], ids=["sync", "async"])


pytestmark = pytest.mark.usefixtures("inline")


def mapped(node: ParallelBatchNode[Any, Any], items: Any, driven_async: bool) -> BatchResult[Any]:
    return asyncio.run(node.map_async(items)) if driven_async else node.map(items)


@KINDS
@DRIVERS
def test_values_come_back_in_item_order(cls: Any, options: Any, driven_async: bool) -> None:
    result = mapped(cls(**options), range(500), driven_async)
    assert result == list(range(500))
    assert result.stats().ok == 500
    assert result.items[7].input == 7


@KINDS
@DRIVERS
@pytest.mark.parametrize("nothing", [None, [], iter(())])
def test_no_items_are_a_batch_too(cls: Any, options: Any, driven_async: bool, nothing: Any) -> None:
    assert mapped(cls(**options), nothing, driven_async) == []


@KINDS
@DRIVERS
def test_collect_keeps_every_outcome(cls: Any, options: Any, driven_async: bool) -> None:
    result = mapped(cls(on_error="collect", **options), [1, -2, 3, -4], driven_async)
    assert result == [1, None, 3, None]
    assert {index: str(error) for index, error in result.errors.items()} == {1: "-2 is negative", 3: "-4 is negative"}
    assert result.failed[0].input == -2


@KINDS
@DRIVERS
def test_skip_leaves_the_failed_ones_out(cls: Any, options: Any, driven_async: bool) -> None:
    result = mapped(cls(on_error="skip", **options), [1, -2, 3], driven_async)
    assert result == [1, 3]
    assert len(result.items) == 3


@KINDS
@DRIVERS
def test_raise_stops_the_batch_and_keeps_what_is_finished(cls: Any, options: Any, driven_async: bool) -> None:
    with pytest.raises(BatchError) as caught:
        mapped(cls(**options), [0, 1, -2, *range(3, 5000)], driven_async)
    results = caught.value.results
    assert list(caught.value.errors) == [2]
    assert results[:3] == [0, 1, None]
    assert len(results) == 5000
    assert len(results.cancelled) > 4000
    assert isinstance(results.items[4999].error, ItemCancelled)


@KINDS
@DRIVERS
@pytest.mark.parametrize("max_failures", [50, 0.05])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_budget_puts_up_with_as_many_failures_and_no_more(
    cls: Any, options: Any, driven_async: bool, max_failures: Any, on_error: Any
) -> None:
    node = cls(max_failures=max_failures, on_error=on_error, **options)
    for failures in (49, 50):
        result = mapped(node, [-1] * failures + [1] * (1000 - failures), driven_async)
        assert len(result.failed) == failures
        assert not result.cancelled
    with pytest.raises(BatchError, match="max_failures") as caught:
        mapped(node, [-1] * 51 + [1] * 949, driven_async)
    results = caught.value.results
    assert len(results.failed) == 51
    # How many others ended meanwhile is the scheduler's business; all the rest was not begun.
    assert len(results.cancelled) == 1000 - len(results.ok) - 51 > 0


@KINDS
@DRIVERS
def test_past_the_budget_collect_hands_over_what_there_is(cls: Any, options: Any, driven_async: bool) -> None:
    result = mapped(cls(max_failures=1, on_error="collect", **options), [1, -1, -1, *range(1000)], driven_async)
    assert len(result.failed) == 2
    assert len(result.cancelled) == 1003 - len(result.ok) - 2 > 0
    assert "stopped after 2 failed" in str(result.cancelled[-1].error)


@KINDS
@DRIVERS
def test_a_share_of_a_generator_is_judged_at_its_end(cls: Any, options: Any, driven_async: bool) -> None:
    node = cls(max_failures=0.5, **options)
    assert len(mapped(node, iter([-1, -1, 1, 1]), driven_async).failed) == 2
    with pytest.raises(BatchError) as caught:
        mapped(node, iter([-1, -1, -1, 1]), driven_async)
    assert len(caught.value.results.failed) == 3


@KINDS
@DRIVERS
def test_a_batch_of_too_many_items_is_refused(cls: Any, options: Any, driven_async: bool) -> None:
    with pytest.raises(BatchInputError, match="max_items=3"):
        mapped(cls(max_items=3, **options), [1, 2, 3, 4], driven_async)
    with pytest.raises(BatchInputError, match="max_items=3"):
        mapped(cls(max_items=3, **options), iter([1, 2, 3, 4]), driven_async)


@KINDS
@DRIVERS
def test_what_the_iterable_raises_comes_out_as_it_is(cls: Any, options: Any, driven_async: bool) -> None:
    def broken() -> Iterator[int]:
        yield 1
        raise OSError("the file is gone")

    with pytest.raises(OSError, match="gone"):
        mapped(cls(on_error="collect", **options), broken(), driven_async)


@KINDS
@DRIVERS
def test_a_limit_tries_the_first_items(cls: Any, options: Any, driven_async: bool) -> None:
    assert mapped(cls(limit=3, **options), iter(range(100)), driven_async) == [0, 1, 2]


@KINDS
@DRIVERS
def test_failed_items_can_be_run_again_under_their_own_indices(cls: Any, options: Any, driven_async: bool) -> None:
    fixed: list[int] = []
    keys: list[Any] = []

    def body(x: int, ctx: ItemContext) -> int:
        if x % 3 == 0:
            keys.append((ctx.item_index, ctx.idempotency_key))
            if not fixed:
                raise ValueError
        return x

    class BlockingAgain(ParallelBatchNode[int, int]):
        def exec(self, x: int, *, ctx: ItemContext) -> int:
            return body(x, ctx)

    class AsyncAgain(ParallelBatchNode[int, int]):
        async def exec(self, x: int, *, ctx: ItemContext) -> int:
            return body(x, ctx)

    node = (AsyncAgain if cls is Async else BlockingAgain)(on_error="collect", **options)
    first = mapped(node, iter(range(10)), driven_async)
    assert sorted(first.errors) == [0, 3, 6, 9]
    fixed.append(1)
    second = asyncio.run(first.retry_failed_async()) if driven_async else first.retry_failed()
    assert second == list(range(10))
    assert not second.failed
    assert len(keys) == 8
    assert len(set(keys)) == 4
    assert first.errors


@DRIVERS
def test_a_stopped_batch_goes_on_with_what_was_cancelled(driven_async: bool) -> None:
    broken = [True]

    class Stops(ParallelBatchNode[int, int]):
        def exec(self, x: int) -> int:
            if x == 2 and broken[0]:
                raise ValueError
            return x

    with pytest.raises(BatchError) as caught:
        mapped(Stops(), list(range(50)), driven_async)
    broken.clear()
    broken.append(False)
    again = caught.value.results
    again = asyncio.run(again.retry_failed_async()) if driven_async else again.retry_failed()
    assert again == list(range(50))


async def test_the_first_failure_cancels_the_running_siblings_and_waits_for_them() -> None:
    all_run = asyncio.Event()
    ended: list[int] = []

    class Siblings(ParallelBatchNode[int, None]):
        async def exec(self, x: int) -> None:
            if x == 3:
                all_run.set()
            await all_run.wait()
            if x == 0:
                raise ValueError
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(x)

    with pytest.raises(BatchError) as caught:
        await Siblings().map_async(range(4))
    assert sorted(ended) == [1, 2, 3]
    assert [outcome.index for outcome in caught.value.results.cancelled] == [1, 2, 3]
    assert asyncio.all_tasks() == {asyncio.current_task()}


@DRIVERS
def test_a_deadline_cancels_the_rest(driven_async: bool) -> None:
    class Hangs(ParallelBatchNode[int, int]):
        async def exec(self, x: int) -> int:
            if x:
                await asyncio.Event().wait()
            return x

    with pytest.raises(BatchError, match="deadline") as caught:
        mapped(Hangs(deadline=0.25), [0, 1, 2], driven_async)
    assert caught.value.results == [0, None, None]
    kept = mapped(Hangs(deadline=0.25, on_error="collect"), [0, 1, 2], driven_async)
    assert [outcome.status for outcome in kept.items] == ["ok", "cancelled", "cancelled"]


@DRIVERS
def test_a_deadline_ends_blocking_items_and_their_waits(driven_async: bool) -> None:
    class Slow(ParallelBatchNode[int, int]):
        def exec(self, x: int) -> int:
            if x:
                raise ValueError
            return x

    result = mapped(Slow(2, 3600, deadline=0.05, on_error="collect"), [0, 1, 2], driven_async)
    assert [outcome.status for outcome in result.items] == ["ok", "cancelled", "cancelled"]


@KINDS
@DRIVERS
def test_a_rate_spaces_the_items(cls: Any, options: Any, driven_async: bool) -> None:
    began = perf_counter()
    mapped(cls(rate=Rate(100, burst=1), **options), range(6), driven_async)
    assert perf_counter() - began >= 0.05


async def test_cancelling_the_run_ends_a_blocking_batch_and_waits_for_its_item() -> None:
    loop = asyncio.get_running_loop()
    started = asyncio.Event()
    ran: list[int] = []

    class Listens(ParallelBatchNode[int, None]):
        def exec(self, x: int, *, ctx: ItemContext) -> None:
            loop.call_soon_threadsafe(started.set)
            until = perf_counter() + 10
            while not ctx.cancelled and perf_counter() < until:
                pass
            ran.append(x)

    task = asyncio.create_task(Listens().map_async(range(100)))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ran == [0]


async def test_a_blocking_batch_does_not_block_the_loop() -> None:
    loop = asyncio.get_running_loop()
    ticked = threading.Event()

    class Waits(ParallelBatchNode[int, bool]):
        def exec(self, x: int) -> bool:
            loop.call_soon_threadsafe(ticked.set)
            return ticked.wait(10)

    assert await Waits().map_async([1]) == [True]


async def test_async_items_cannot_be_mapped_synchronously_inside_a_loop() -> None:
    with pytest.raises(LoopRunning, match=r"use `await node\.map_async\(items\)`"):
        Async().map([1])
    assert Blocking().map([1, 2]) == [1, 2]
    assert Blocking(concurrency=2).map([1, 2]) == [1, 2]


@DRIVERS
def test_a_batch_within_an_item_runs_here_too(driven_async: bool) -> None:
    inner = Blocking()

    class Outer(ParallelBatchNode[int, int]):
        def exec(self, x: int) -> int:
            return sum(inner.map(range(x)))

    assert mapped(Outer(), [2, 3, 4], driven_async) == [1, 3, 6]


async def test_an_async_batch_within_an_async_item_runs_here_too() -> None:
    class Outer(ParallelBatchNode[int, int]):
        async def exec(self, x: int) -> int:
            return sum(await Async().map_async(range(x)))

    assert await Outer().map_async([2, 3, 4]) == [1, 3, 6]


async def test_the_attempt_of_an_inner_item_is_its_own() -> None:
    class Inner(ParallelBatchNode[int, int]):
        def exec(self, x: int) -> int:
            return self.cur_retry

    class Outer(ParallelBatchNode[int, list[int]]):
        def exec(self, x: int) -> list[int]:
            if self.cur_retry == 0:
                raise ValueError
            return [*Inner().map([1, 2]), self.cur_retry]

    assert Outer(max_retries=2).map([1]) == [[0, 0, 1]]


def test_with_nothing_configured_it_says_once_where_batches_run(caplog: pytest.LogCaptureFixture) -> None:
    executor = InlineExecutor(announce=True)
    with caplog.at_level(logging.INFO, logger="flowq"):
        for _ in range(3):
            drive(executor.execute(Blocking().job([1])))
    (said,) = [record.getMessage() for record in caplog.records]
    assert "LocalCluster" in said
    assert "FLOWQ_BROKER_URL" in said
    assert "\n" not in said


class Pages(Node):
    def __init__(self, items: Any) -> None:
        super().__init__()
        self.items = items

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["pages"] = self.items


class Lengths(ParallelBatchNode[str, int]):
    def prep(self, shared: Any) -> Any:
        return shared["pages"]

    def exec(self, page: str) -> int:
        return len(page)

    def post(self, shared: Any, prep_res: Any, exec_res: BatchResult[int]) -> str:
        shared["lengths"] = exec_res
        return "done"


@DRIVERS
@pytest.mark.parametrize(("pages", "lengths"), [(["a", "bb"], [1, 2]), (None, []), ([], [])])
@pytest.mark.parametrize("lazily", [False, True])
def test_in_a_flow_post_is_given_the_result_whatever_prep_returned(
    driven_async: bool, pages: Any, lengths: list[int], lazily: bool
) -> None:
    start = Pages((page for page in pages or ()) if lazily else pages)
    start >> Lengths()
    flow = Flow(start)
    shared: dict[str, Any] = {}
    action = asyncio.run(flow.run_async(shared)) if driven_async else flow.run(shared)
    assert action == "done"
    assert isinstance(shared["lengths"], BatchResult)
    assert shared["lengths"] == lengths


def test_in_a_flow_an_int_from_prep_is_refused_with_the_nodes_name() -> None:
    start = Pages(7)
    start >> Lengths()
    with pytest.raises(BatchInputError, match=r"Lengths was given 7 \(int\)"):
        Flow(start).run({})


# -- submit ----------------------------------------------------------------------------------------------------------


def test_a_submitted_batch_can_be_waited_for() -> None:
    handle = Blocking().submit(range(10))
    assert handle.wait(10)
    assert handle.result() == list(range(10))
    progress = handle.progress()
    assert (progress.total, progress.done, progress.ok, progress.running) == (10, 10, 10, 0)
    assert progress.state == "succeeded"


def test_a_handle_raises_what_the_policy_says() -> None:
    handle = Async().submit([1, -1])
    with pytest.raises(BatchError):
        handle.result()
    assert handle.progress().state == "failed"


def test_outcomes_are_streamed_as_they_come() -> None:
    gate = threading.Event()

    class Gated(ParallelBatchNode[int, int]):
        def exec(self, x: int) -> int:
            if x == 1:
                assert gate.wait(10)
            return x

    handle = Gated(concurrency=2).submit(range(3))
    stream = handle.as_completed()
    first = [next(stream).index, next(stream).index]
    assert sorted(first) == [0, 2]
    assert handle.progress().state == "running"
    gate.set()
    assert [outcome.index for outcome in stream] == [1]


@pytest.mark.parametrize("async_items", [False, True])
def test_a_submitted_batch_can_be_cancelled(async_items: bool) -> None:
    started = threading.Event()

    class Waits(ParallelBatchNode[int, None]):
        def exec(self, x: int, *, ctx: ItemContext) -> None:
            started.set()
            until = perf_counter() + 10
            while not ctx.cancelled and perf_counter() < until:
                pass

    class AsyncWaits(ParallelBatchNode[int, None]):
        async def exec(self, x: int) -> None:
            started.set()
            await asyncio.Event().wait()

    handle = (AsyncWaits if async_items else Waits)(on_error="collect").submit(range(100))
    assert started.wait(10)
    handle.cancel()
    handle.cancel()
    result = handle.result()
    assert len(result.cancelled) >= 99
    assert handle.progress().state == "cancelled"


def test_items_that_are_none_are_refused_at_submit() -> None:
    with pytest.raises(BatchInputError):
        Blocking().submit(5)


def test_submitting_a_key_again_attaches_to_its_batch() -> None:
    node = Blocking()
    first = node.submit(range(10), key="monday")
    again = node.submit(range(10), key="monday")
    other = node.submit(range(10), key="tuesday")
    assert again is first
    assert other is not first
    assert first.id != other.id
    assert first.wait(10)
    assert other.wait(10)


async def test_a_job_can_be_driven_either_way(inline: InlineExecutor) -> None:
    job = BatchJob(node=Blocking(), items=[1, 2], policy=Blocking().policy())
    assert drive(inline.execute(job)) == [1, 2]
    assert await drive_async(inline.execute(job)) == [1, 2]


def test_a_local_node_runs_one_item_after_another_unless_told_otherwise() -> None:
    peak = Peak()

    class Counts(BatchNode[int, None]):
        async def exec(self, x: int) -> None:
            with peak:
                await asyncio.sleep(0)

    Counts().map(range(20))
    assert peak.most == 1
    Counts(concurrency=5).map(range(20))
    assert peak.most == 5


def test_the_last_of_several_tries_has_the_earlier_ones_for_no_context() -> None:
    def breaks(item: int) -> int:
        raise ValueError("again")

    async def breaks_async(item: int) -> int:
        raise ValueError("again")

    for exec in (breaks, breaks_async):
        result = parallel_batch_node(exec=exec, max_retries=3, on_error="collect").map([0])
        assert result.errors[0].__context__ is None
        assert result.items[0].traceback.count("ValueError") == 2  # the line that raises it, and what it says


def test_an_error_does_not_drag_the_earlier_tries_along() -> None:
    def breaks(item: int, *, ctx: ItemContext) -> int:
        try:
            raise KeyError("first") if ctx.attempt == 2 else LookupError("earlier")
        except KeyError as error:
            raise ValueError("second") from error

    result = parallel_batch_node(exec=breaks, max_retries=3, on_error="collect").map([0])
    error = result.errors[0]
    assert isinstance(error, ValueError)
    assert isinstance(error.__cause__, KeyError)
    assert error.__cause__.__context__ is None
    assert "LookupError: " not in result.items[0].traceback
