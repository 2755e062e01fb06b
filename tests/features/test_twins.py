"""Items of one key are computed once in a batch, and each has that outcome: the same inline and on workers."""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.engine.ids import record
from flowq.engine.reading.results import out_fields
from tests import nodes
from tests.drawn import by_three
from tests.submitting import submit
from tests.waiting import until


def ran(path: Path) -> list[int]:
    """The items that were computed, in ascending order."""
    return sorted(int(line.split()[0]) for line in path.read_text().splitlines()) if path.exists() else []


@pytest.mark.parametrize("node", [nodes.ByRest, nodes.AsyncByRest])
@pytest.mark.parametrize("generated", [False, True])
def test_each_key_is_computed_once_and_every_item_has_an_outcome(
    executor: str, tmp_path: Path, node: type[nodes.ByRest], generated: bool
) -> None:
    items = random.Random(1).choices(range(1000), k=600)
    result = node(str(tmp_path / "ran")).map((item for item in items) if generated else items)
    assert result == [item % 50 for item in items]
    first = {item % 50: item for item in reversed(items)}
    assert ran(tmp_path / "ran") == sorted(first.values()), "the first item of each key is the one that is computed"
    assert [one.index for one in result.items] == list(range(600))
    assert result.stats().ok == 600


@pytest.mark.parametrize(("node", "in_flight"), [(nodes.ByRest, 1), (nodes.AsyncByRest, 1000)])
def test_twins_beside_their_first_item_end_with_it(
    cluster: flowq.LocalCluster, tmp_path: Path, node: type[nodes.ByRest], in_flight: int
) -> None:
    """They are committed together: nobody is parked, and no item has a commit of its own."""
    items = [number // 8 for number in range(400)]  # no range of the ledger ends between two of a key
    handle = submit(node(str(tmp_path / "ran"), chunk_size=200, in_flight=in_flight), items)
    assert handle.result(timeout=20) == items
    assert ran(tmp_path / "ran") == list(range(50))
    fields = out_fields(cluster.executor.connections, handle.id)
    assert {record(field) for field in fields} == {0}
    assert len(fields) < 25


def test_twins_beside_an_item_that_fails_fail_with_it(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    items = [number // 20 for number in range(1000)]
    for node in (nodes.ByRest, nodes.AsyncByRest):
        made = node(str(tmp_path / node.__name__), bad=(3, 49), on_error="collect", max_retries=2, chunk_size=250)
        result = made.submit(items).result(timeout=20)
        assert [one.index for one in result.failed] == [*range(60, 80), *range(980, 1000)]
        assert {one.attempts for one in result.failed} == {2}


@pytest.mark.parametrize("chunk_size", [1, 2, 5, 12])
def test_who_waits_for_the_next_try_of_the_first_has_its_outcome(
    executor: str, tmp_path: Path, chunk_size: int
) -> None:
    node = nodes.FailsOnce(str(tmp_path / "ran"), key=by_three, chunk_size=chunk_size, max_retries=2, wait=1.2)
    result = node.submit([1, 2, 0] * 8).result(timeout=20)
    assert result == [1, 2, 0] * 8
    assert [one.attempts for one in result.items] == [2, 1, 1] * 8


def test_what_fails_fails_for_all_of_its_key_and_all_of_them_count(executor: str, tmp_path: Path) -> None:
    node = nodes.ByRest(str(tmp_path / "ran"), bad=(3, 7), on_error="collect", max_retries=2)
    handle = node.submit(range(200))
    result = handle.result()
    failed = [item for item in range(200) if item % 50 in (3, 7)]
    assert [one.index for one in result.failed] == failed
    assert [one.attempts for one in result.failed] == [2] * len(failed)
    assert {str(error) for error in result.errors.values()} == {"3", "7"}
    assert len(ran(tmp_path / "ran")) == 48 + 2 * 2
    progress = handle.progress()
    assert (progress.ok, progress.failed, progress.total) == (192, 8, 200)


def test_copies_of_a_failure_count_against_the_budget(executor: str, tmp_path: Path) -> None:
    node = nodes.ByRest(str(tmp_path / "ran"), bad=(3,), on_error="collect", max_failures=3)
    handle = node.submit(range(200))
    handle.result()
    assert handle.progress().state == "failed"


def test_a_redrive_computes_what_failed_once_more_and_once_only(executor: str, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    result = nodes.ByRest(str(tmp_path / "ran"), bad=(3,), switch=str(switch), on_error="collect").map(range(200))
    assert len(result.failed) == 4
    switch.touch()
    again = result.retry_failed()
    assert again == [item % 50 for item in range(200)]
    assert ran(tmp_path / "ran").count(3) == 2
    assert len(ran(tmp_path / "ran")) == 51


def test_readers_see_what_a_redrive_brought_and_not_what_it_replaced(executor: str, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    handle = nodes.ByRest(str(tmp_path / "ran"), bad=(3,), switch=str(switch), on_error="collect").submit(range(200))
    assert len(handle.result().failed) == 4
    switch.touch()
    handle.retry_failed()
    assert list(handle.results()) == [item % 50 for item in range(200)]
    outcomes = sorted((one.index, one.status) for one in handle.as_completed())
    assert outcomes == [(index, "ok") for index in range(200)]


def test_twins_of_an_item_that_waits_for_its_next_try_wait_for_it(executor: str, tmp_path: Path) -> None:
    wait_s = 1.2 if executor == "workers" else 0.1
    node = nodes.ByRest(str(tmp_path / "ran"), bad=(3,), tries=1, max_retries=2, wait=wait_s)
    assert node.map([3, 53, 4, 103, 54]) == [3, 3, 4, 3, 4]
    assert ran(tmp_path / "ran") == [3, 3, 4]


def test_readers_see_them_like_any_other(executor: str, tmp_path: Path) -> None:
    handle = nodes.ByRest(str(tmp_path / "ran")).submit(i for i in range(500))
    assert list(handle.results(free=True)) == [item % 50 for item in range(500)]
    assert len(ran(tmp_path / "ran")) == 50


def test_results_in_a_sink_are_whole(executor: str, tmp_path: Path) -> None:
    result: Any = nodes.ByRest(str(tmp_path / "ran"), sink=str(tmp_path / "sink")).map(range(300))
    assert list(result) == [item % 50 for item in range(300)]
    assert sum(part.n for part in result.parts) == 300
    assert len(ran(tmp_path / "ran")) == 50


def test_what_the_making_of_a_key_raises_ends_the_batch(executor: str, tmp_path: Path) -> None:
    with pytest.raises(AttributeError, match="nothing"):
        nodes.ByRest(str(tmp_path / "ran"), on_error="collect").map([1, "x", 51, "x"])


def test_without_keys_nothing_is_computed_once_only(executor: str, tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    assert nodes.Logged(str(oracle), seconds=0.0).map([5] * 20) == [15] * 20
    assert len(nodes.executions(oracle)) == 20


def test_a_failed_twin_shows_its_item(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    node = nodes.ByRest(str(tmp_path / "ran"), bad=(3,), on_error="collect")
    handle = node.submit(i for i in range(110))
    handle.wait()
    assert [(one.index, one.input) for one in flowq.get_batch(handle.id).failures()] == [(3, 3), (53, 3), (103, 3)]


def test_twins_of_a_batch_that_is_begun_anew_under_its_key_are_copies_of_what_runs_now(tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    node = nodes.ByRest(str(tmp_path / "ran"), bad=(3,), switch=str(switch), on_error="collect")
    # One process alone, which has read what the old batch came to.
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nodes"], grace_s=0) as cluster:
        old = node.submit([3, 53, 103], key="again")
        assert len(old.result().failed) == 3
        redis, keys = cluster.executor.connections.redis, cluster.executor.connections.keys
        until(lambda: not redis.zscore(keys.batches, old.id), 20, "it was confirmed")
        redis.delete(*redis.keys(keys.pattern(old.id)))  # as when its retention has passed
        switch.touch()
        new = node.submit([3, 53, 103], key="again")
        assert new.id == old.id
        assert new.result() == [3, 3, 3]


@pytest.mark.parametrize("read", ["results", "as_completed"])
def test_what_a_cancel_cut_off_has_the_outcome_of_its_first_though_that_was_read_and_dropped(
    cluster: flowq.LocalCluster, read: str
) -> None:
    handle = submit(nodes.SleepyByKey(on_error="skip", chunk_size=1), [0.1, 0.2, *[0.1, 0.2] * 100])
    until(lambda: handle.state().ok >= 1, 10, "the first item has ended")
    handle.cancel()
    assert handle.wait(10)
    with contextlib.suppress(flowq.BatchError):
        list(getattr(handle, read)(free=True))
    assert handle.retry_failed().wait(20)
    assert handle.result() == [0.1, 0.2] * 101
