"""Items in flight together on workers: async items, and blocking ones in threads."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowq
from tests import nodes
from tests.waiting import until


def test_a_slow_item_does_not_hold_back_finished_ones(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    items = [10, 11, 12, 1, *range(13, 309)]
    handle = nodes.AsyncAwaited(str(tmp_path), last=1).submit(items)
    until(lambda: handle.progress().done == 299, 4.5, "all are done but the one that waits")
    assert handle.progress().state == "running"
    (tmp_path / "released").touch()
    assert handle.result() == items


def test_places_that_are_free_are_filled_for_as_long_as_items_run(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    """Every process has an item that waits for the last one, which comes when there was nothing more to take."""

    def items() -> Iterator[int]:
        for number in range(1, 101):
            yield number
            if len(list(tmp_path.glob("pid-*"))) > 1:
                break
            time.sleep(0.1)
        time.sleep(0.5)
        yield from range(101, 121)  # more than are put into the queue
        yield 0

    assert nodes.AsyncAwaited(str(tmp_path)).map(items())[-1] == 0
    assert len(list(tmp_path.glob("pid-*"))) == 2


@pytest.mark.parametrize("rate", [None, "5000/s"])
@pytest.mark.parametrize(("in_flight", "n"), [(50, 80), (150, 120)])
def test_under_a_cap_slow_items_keep_a_place_each_and_the_others_pass_them(
    cluster: flowq.LocalCluster, tmp_path: Path, in_flight: int, n: int, rate: str | None
) -> None:
    """All of them wait for the last item of the batch; and they are more than a process holds ranges."""
    slow, others = list(range(1, n + 1)), list(range(1000, 1400))
    node = nodes.AsyncAwaited(str(tmp_path), last=n, concurrency=150, in_flight=in_flight, rate=rate)
    assert node.map([*slow, *others, 0]) == [*slow, *others, 0]


def test_places_around_slow_items_are_for_others_when_the_turn_of_their_process_is_over(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    """One process has all the slow items, which wait for the last one; what is there lasts for longer than its turn."""
    slow, others = list(range(1, 21)), list(range(1000, 2000))
    node = nodes.AsyncAwaited(str(tmp_path), last=20, seconds=0.05, concurrency=30, in_flight=30)
    assert node.map([*slow, *others, 0]) == [*slow, *others, 0]


def test_places_around_slow_items_are_filled_for_as_long_as_there_is_no_other_batch(tmp_path: Path) -> None:
    """Both processes have slow items, which wait for the last one."""
    items = [item for slow in range(1, 9) for item in (*range(500 * slow, 500 * slow + 500), slow)]
    node = nodes.AsyncAwaited(str(tmp_path), last=8, seconds=0.05, in_flight=20)
    with flowq.LocalCluster(slots=2, imports=["tests.nodes"]):
        assert node.map([*items, 0]) == [*items, 0]
    assert len(list(tmp_path.glob("pid-*"))) == 2


def test_places_around_a_slow_item_are_filled_beside_another_batch_too_until_it_ends(tmp_path: Path) -> None:
    """The slot is occupied by it anyway, whatever waits for it."""
    with flowq.LocalCluster(slots=1, imports=["tests.nodes"]):
        node = nodes.AsyncAwaited(str(tmp_path), last=1, seconds=0.02, in_flight=10)
        long = node.submit([1, *range(1000, 21_000)])
        other = nodes.Square().submit(range(10))
        until(lambda: long.progress().done > 1100, 20, "more are done than fit into a turn")
        assert other.progress().done == 0
        (tmp_path / "released").touch()
        assert other.wait(20)
        assert long.progress().state == "running"
        long.cancel()


def test_a_reader_in_item_order_is_not_far_behind(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    """The chunks that were sent first wait for a slot, while the processes take one after another."""
    n = 4000
    handle = nodes.AsyncLogged(str(tmp_path / "oracle"), seconds=0.05, in_flight=20).submit(range(n))
    behind = [handle.progress().done - index for index, _ in enumerate(handle.results()) if index % 100 == 0]
    assert max(behind) < n / 2


def test_thousands_of_waiting_items_fit_into_two_slots(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    result = nodes.AsyncLogged(str(oracle), seconds=0.05, in_flight=100).map(range(2000))
    assert result == [item * 3 for item in range(2000)]
    rows = nodes.executions(oracle)
    assert len(rows) == 2000
    assert at_once(rows) > 100, "more items were in flight than there are slots, many more"


@pytest.mark.parametrize("in_flight", [1, 8])
def test_blocking_items_run_in_threads_where_that_is_asked_for(
    cluster: flowq.LocalCluster, tmp_path: Path, in_flight: int
) -> None:
    oracle = tmp_path / "oracle"
    result = nodes.Logged(str(oracle), seconds=0.02, in_flight=in_flight).map(range(100))
    assert result == [item * 3 for item in range(100)]
    assert (at_once(nodes.executions(oracle)) > 2) is (in_flight > 1)


def test_an_event_loop_lives_as_long_as_its_process(cluster: flowq.LocalCluster) -> None:
    loops = {loop for _ in range(3) for loop in nodes.LoopId().map(range(40))}
    assert len(loops) <= 2, "one loop a process"


def at_once(rows: list[tuple[int, int, float, float]]) -> int:
    """The most executions that overlapped at any moment."""
    moments = sorted([(began, 1) for _, _, began, _ in rows] + [(ended, -1) for _, _, _, ended in rows])
    running = most = 0
    for _, step in moments:
        running += step
        most = max(most, running)
    return most
