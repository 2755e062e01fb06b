"""Rows 31 to 56 and 92 to 93: a batch of items in one node, in this process and on workers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

import flowq
from tests import nodes
from tests.features import functions
from tests.waiting import until


class Watched(flowq.BatchNode[int, int]):
    """Counts how many items run at once."""

    def __init__(self, seconds: float = 0.01, **options: Any) -> None:
        super().__init__(**options)
        self.seconds, self.running, self.peak, self.lock = seconds, 0, 0, threading.Lock()

    def exec(self, item: int) -> int:
        with self.lock:
            self.running += 1
            self.peak = max(self.peak, self.running)
        time.sleep(self.seconds)
        with self.lock:
            self.running -= 1
        return item


class WatchedLater(Watched):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        self.running += 1
        self.peak = max(self.peak, self.running)
        await asyncio.sleep(self.seconds)
        self.running -= 1
        return item


def statuses(result: flowq.BatchResult[Any]) -> list[str]:
    return [outcome.status for outcome in result.items]


def test_row_031_a_batch_node_gets_one_item_at_a_time_and_post_all_results(executor: str) -> None:
    shared: dict[str, Any] = {"items": [3, 1, 2]}
    nodes.FromStore().run(shared)
    assert shared["result"] == [3, 1, 2]


def test_a_generator_of_items_sees_the_context_of_who_asks_for_the_batch(executor: str) -> None:
    tenant: ContextVar[str] = ContextVar("tenant")

    def items() -> Iterator[str]:
        for number in range(3):
            yield f"{tenant.get()}/{number}"

    def ask() -> list[str]:
        tenant.set("acme")
        return nodes.Echo().map(items())

    assert copy_context().run(ask) == ["acme/0", "acme/1", "acme/2"]


def test_row_032_any_iterable_is_a_source_and_none_is_empty(executor: str) -> None:
    for given in ({1, 2}, {1: 0, 2: 0}.keys(), (n for n in (1, 2)), range(1, 3), iter([1, 2])):
        shared: dict[str, Any] = {"items": given}
        nodes.FromStore().run(shared)
        assert shared["result"] == [1, 2]
    for nothing in (None, [], ()):
        shared = {"items": nothing}
        nodes.FromStore().run(shared)
        assert shared["result"] == []


def test_row_032_a_generator_stays_lazy() -> None:
    read: list[int] = []

    def source() -> Any:
        for n in range(10**9):
            read.append(n)
            yield n

    assert flowq.BatchNode.of(functions.half, on_error="collect").map(source(), limit=5) == [0, None, 1, None, 2]
    assert len(read) <= 6


def test_row_033_each_item_has_its_own_tries(executor: str) -> None:
    result = nodes.FailsTwice(3).map(range(50))
    assert result == list(range(50))
    assert {outcome.attempts for outcome in result.items} == {3}


def test_row_034_each_item_has_its_own_fallback(executor: str) -> None:
    result = nodes.Picky(on_error="collect").map([5, 6, 7])
    assert (result, statuses(result)) == ([-1, 7, None], ["fallback", "ok", "failed"])


def test_row_035_one_after_another_is_concurrency_1() -> None:
    for node in (Watched(), WatchedLater(), Watched(concurrency=1), WatchedLater(concurrency=1)):
        assert node.map(range(8)) == list(range(8))
        assert node.peak == 1


def test_row_036_side_by_side_is_a_concurrency() -> None:
    for node in (Watched(0.05, concurrency=4), WatchedLater(0.05, concurrency=4)):
        assert node.map(range(20)) == list(range(20))
        assert node.peak == 4


def test_row_036_as_many_async_items_as_in_flight_says_run_at_once(inline: None) -> None:
    running: list[int] = []
    all_run = asyncio.Event()

    class Meet(flowq.ParallelBatchNode[int, int]):
        async def exec(self, item: int) -> int:
            running.append(item)
            if len(running) == 500:
                all_run.set()
            await all_run.wait()
            return item

    assert len(Meet(in_flight=500, timeout=60).map(range(500))) == 500


def test_row_037_the_cap_is_never_exceeded_on_the_fleet(cluster: flowq.LocalCluster, tmp_path: Any) -> None:
    path = str(tmp_path / "log")
    nodes.AsyncLogged(path, seconds=0.01, concurrency=3).map(range(60))
    runs = nodes.executions(path)
    assert len(runs) == 60
    edges = sorted([(began, 1) for _, _, began, _ in runs] + [(ended, -1) for _, _, _, ended in runs])
    running = peak = 0
    for _, step in edges:
        running += step
        peak = max(peak, running)
    assert peak <= 3


def test_row_038_results_come_in_input_order(executor: str) -> None:
    assert nodes.AsyncUneven(0, 0.1).map(range(20)) == list(range(20))


def test_row_039_post_gets_a_list_with_more_beside_it(executor: str) -> None:
    result = nodes.Picky(on_error="collect").map([1, 5, 7])
    assert isinstance(result, list)
    assert result == [2, -1, None]
    assert [len(part) for part in (result.items, result.ok, result.failed)] == [3, 2, 1]
    assert list(result.errors) == [2]


def test_row_040_an_outcome_says_what_became_of_an_item(executor: str) -> None:
    outcome = functions.Keyed(on_error="collect").map([4, 7]).items[1]
    assert (outcome.index, outcome.key, outcome.input, outcome.status) == (1, "item-7", 7, "failed")
    assert (outcome.success, outcome.output, outcome.attempts) == (False, None, 1)
    assert isinstance(outcome.error, functions.Odd)
    assert outcome.execution_time >= 0
    assert bool(outcome.worker) is (executor == "workers")


def test_row_041_the_first_error_ends_the_batch(executor: str, tmp_path: Any) -> None:
    node = functions.FailsAtOnce(str(tmp_path / "ran"))
    with pytest.raises(flowq.BatchError) as raised:
        node.map(range(2000))
    assert list(raised.value.errors) == [0]
    assert statuses(raised.value.results).count("cancelled") > 0


async def test_row_041_running_siblings_are_cancelled() -> None:
    ended: list[int] = []

    class Siblings(flowq.BatchNode[int, None]):
        async def exec(self, item: int) -> None:
            if item == 2:
                await asyncio.sleep(0.01)
                raise functions.Odd(item)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(item)

    with pytest.raises(flowq.BatchError):
        await Siblings(concurrency=4).map_async(range(4))
    assert sorted(ended) == [0, 1, 3]


def test_row_042_collect_keeps_every_outcome(executor: str) -> None:
    result = nodes.Picky(on_error="collect").map([1, 7, 2])
    assert (result, statuses(result)) == ([2, None, 3], ["ok", "failed", "ok"])


def test_row_042_one_batch_may_collect_though_the_node_does_not(executor: str) -> None:
    node = nodes.Picky()
    assert node.map(list(range(1, 60)), on_error="collect")[6] is None
    assert node.submit([1, 7], on_error="skip").result() == [2]
    with pytest.raises(flowq.BatchError):
        node.map([7])
    with pytest.raises(ValueError, match="on_error is one of raise, collect, skip"):
        node.map([1], on_error="ignore")  # type: ignore[arg-type]


def test_row_043_skip_leaves_failed_items_out(executor: str) -> None:
    assert nodes.Picky(on_error="skip").map([1, 7, 2]) == [2, 3]


@pytest.mark.parametrize("budget", [3, 0.1])
def test_row_044_past_the_budget_of_failures_the_batch_stops(executor: str, budget: float) -> None:
    assert len(nodes.FailsFirst(3, on_error="collect", max_failures=budget).map(range(30)).failed) == 3
    stopped = nodes.FailsFirst(20, on_error="collect", max_failures=budget).map(range(1000 if budget == 3 else 150))
    assert stopped.cancelled
    with pytest.raises(flowq.BatchError):
        nodes.FailsFirst(4, on_error="skip", max_failures=3).map(range(1000))


def test_row_045_the_error_of_a_batch_has_every_error_by_index_and_the_finished_work(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        nodes.Picky(max_failures=3).map([*[1] * 20, 7, 2, 14, 21, 28, *[1] * 2000])
    error = raised.value
    assert isinstance(error, ExceptionGroup)
    assert set(error.errors) == {20, 22, 23, 24}
    assert isinstance(error.errors[20], nodes.Refused)
    assert {outcome.output for outcome in error.results.ok} <= {2, 3}
    assert error.results.ok
    assert "items failed" in error.message


def test_row_046_every_item_has_one_of_four_statuses(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        nodes.Picky().map([*[1, 5] * 50, 7, *[1] * 4000])
    assert set(statuses(raised.value.results)) == {"ok", "fallback", "failed", "cancelled"}
    assert all(outcome.error is not None for outcome in raised.value.results.cancelled)


def test_row_047_only_the_failed_are_run_again(executor: str, tmp_path: Any) -> None:
    node = functions.OkTheSecondTime(str(tmp_path), on_error="collect")
    first = node.map(range(6))
    assert statuses(first) == ["ok", "failed"] * 3
    second = first.retry_failed()
    assert (second, statuses(second)) == (list(range(6)), ["ok"] * 6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1", "3", "5"]


def test_row_048_outcomes_are_read_as_they_come_and_leaving_cancels_the_rest(executor: str, tmp_path: Any) -> None:
    node = flowq.MapNode(functions.third_time, max_retries=3)
    assert sorted((one.index, one.output) for one in node.stream(range(30))) == [(n, 10 * n) for n in range(30)]
    long = functions.UntilCancelled(str(tmp_path), concurrency=2)
    with long.stream(range(10)):
        until(lambda: list(tmp_path.glob("began-*")), 20, "an item that runs")
    until(lambda: len(list(tmp_path.glob("ended-*"))) == len(list(tmp_path.glob("began-*"))), 20, "all have ended")
    assert len(list(tmp_path.glob("began-*"))) < 10


async def test_row_048_in_an_event_loop_too(executor: str) -> None:
    assert {outcome.index async for outcome in nodes.Square().stream(range(9))} == set(range(9))


def test_row_049_a_try_and_a_batch_have_time_limits(executor: str) -> None:
    result = nodes.AsyncUneven(1, 30, timeout=0.2, on_error="collect").map(range(3))
    assert statuses(result) == ["ok", "failed", "ok"]
    assert isinstance(result.errors[1], flowq.ItemTimeout)
    late = nodes.AsyncUneven(1, 30, deadline=0.3, on_error="collect").map(range(3))
    assert late.items[1].status == "cancelled"


def test_row_049_a_fallback_has_all_the_time_it_needs(cluster: flowq.LocalCluster) -> None:
    # Longer than it would take until a process is killed whose item does not heed this timeout.
    slow = [node(3.5, timeout=0.1).submit([1]) for node in (nodes.FallsBack, nodes.FallsBackTogether)]
    for handle in slow:
        result = handle.result(timeout=20)
        assert (list(result), statuses(result)) == ([-1], ["fallback"])
        assert handle.state().crashes == 0


def test_row_050_an_empty_batch_runs_post_with_an_empty_list(executor: str) -> None:
    shared: dict[str, Any] = {"items": []}
    nodes.FromStore().run(shared)
    assert shared["result"] == []


def test_row_051_a_batch_of_more_than_max_items_is_refused(executor: str) -> None:
    with pytest.raises(flowq.BatchInputError, match="max_items=5"):
        nodes.Square(max_items=5).map(range(6))
    assert nodes.Square(max_items=5).map(range(5)) == [0, 1, 4, 9, 16]


def test_row_055_a_result_has_figures(executor: str) -> None:
    stats = nodes.Slow(0.01).map(range(20)).stats()
    assert (stats.n, stats.ok, stats.failed) == (20, 20, 0)
    assert 0.005 < stats.p50_s <= stats.p95_s <= stats.max_s
    assert 0 < stats.speedup < 20
    assert stats.items_per_s > 0


def test_row_090_an_items_identity_is_its_place_and_a_batchs_its_key(executor: str) -> None:
    said = functions.SaysItsKey()
    first, second = said.map(["same", "same"]), said.map(["same"])
    assert len({*first, *second}) == 3, "equal items are different items"
    handle = said.submit(["a", "b"], key="the batch of today")
    again = said.submit(["c"], key="the batch of today")
    assert handle.id == again.id
    assert again.result() == handle.result() == list(handle.result())
    assert len(set(handle.result())) == 2


def test_row_090_under_one_key_each_node_and_each_label_has_a_batch_of_its_own(executor: str) -> None:
    square, echo = nodes.Square(), nodes.Echo()
    handles = [square.submit([1, 2, 3], key="one for all"), echo.submit([10, 20], key="one for all")]
    handles.append(square.submit([5], key="one for all", label="others"))
    assert [handle.result() for handle in handles] == [[1, 4, 9], [10, 20], [25]]
    assert len({handle.id for handle in handles}) == 3


def test_row_090_under_one_key_each_flow_has_a_run_of_its_own(executor: str) -> None:
    flows = [flowq.Flow(nodes.FromStore(), name=name) for name in ("First", "Second")]
    runs = [flow.submit({"items": [n]}, key="one for all") for n, flow in enumerate(flows)]
    assert [run.result(30).shared["result"] for run in runs] == [[0], [1]]
    assert len({run.id for run in runs}) == 2


def test_row_092_the_states_of_a_batch(executor: str, tmp_path: Any) -> None:
    gate = tmp_path / "gate"
    handle = functions.Reports().submit([str(gate)])
    assert until(lambda: handle.progress().running, 20)
    assert handle.progress().state == "running"
    gate.touch()
    handle.wait()
    assert handle.progress().state == "succeeded"
    failed = nodes.Picky().submit([7])
    failed.wait()
    assert failed.progress().state == "failed"


@pytest.mark.parametrize("kind", [functions.UntilCancelled, functions.UntilCancelledLater])
def test_row_093_cancelling_ends_a_batch_and_its_running_items_see_it(executor: str, kind: Any, tmp_path: Any) -> None:
    handle = kind(str(tmp_path), on_error="collect", concurrency=4).submit(range(50))
    until(lambda: list(tmp_path.glob("began-*")), 20, "an item that runs")
    handle.cancel()
    assert handle.wait(20)
    assert handle.progress().state == "cancelled"
    assert {"cancelled"} <= set(statuses(handle.result())) <= {"cancelled", "ok"}

    def ended() -> bool:
        began, done = (len(list(tmp_path.glob(f"{what}-*"))) for what in ("began", "ended"))
        return began == done < 50

    until(ended, 20, "the items that ran have ended")


def test_row_100_the_same_nodes_run_on_workers(cluster: flowq.LocalCluster) -> None:
    result = nodes.Square().map(range(500))
    assert result == [n * n for n in range(500)]
    assert all(outcome.worker for outcome in result.items)


@pytest.mark.parametrize("kind", [list, deque])
def test_a_list_may_be_filled_anew_once_it_has_been_submitted(executor: str, kind: Callable[[Any], Any]) -> None:
    buffer = kind([0.2] + [0.0] * 20)
    handle = nodes.Sleepy().submit(buffer)
    buffer.clear()
    buffer.append(0.1)
    assert handle.result() == [0.2] + [0.0] * 20
