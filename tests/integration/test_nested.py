"""Batches within batches: nothing waits in a worker, whatever the depth, and the results are those of one process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.executor import activated
from tests import nested
from tests.waiting import until


@pytest.fixture(scope="module")
def one_slot() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nested"], lease_s=3, grace_s=0) as cluster:
        yield cluster


def inline(flow: flowq.Node[Any, Any], shared: dict[str, Any]) -> dict[str, Any]:
    with activated(flowq.InlineExecutor()):
        flow.run(shared)
    return shared


def test_four_levels_of_four_finish_on_one_slot(one_slot: flowq.LocalCluster) -> None:
    shared: dict[str, Any] = {}
    nested.tower(4, 4).run(shared)
    assert shared == inline(nested.tower(4, 4), {})
    assert shared["total"] == 64 * sum(i * i for i in range(4))


@pytest.mark.parametrize("leaves", [nested.Leaves, nested.AsyncLeaves])
def test_an_item_goes_on_after_its_batch_node(one_slot: flowq.LocalCluster, leaves: type[nested.Leaves]) -> None:
    def flow() -> nested.Level:
        start, after = leaves(3), nested.After()
        start - "done" >> after
        after - "after" >> leaves(2)
        return nested.Level(start, 5, collect="after")

    shared = {"before": list(range(3))}
    flow().run(shared)
    assert shared == inline(flow(), {"before": list(range(3))})
    assert shared["after"] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("merge", [None, "last"])
def test_what_an_inner_batch_brought_is_a_list_in_the_store(one_slot: flowq.LocalCluster, merge: Any) -> None:
    def flow() -> flowq.BatchFlow:
        start = nested.Keeps(3)
        start - "done" >> nested.Leaves(2)  # which an item leaves its process for, and comes back
        return nested.Places(start, merge=merge)

    shared: dict[str, Any] = {}
    flow().run(shared)
    assert shared == inline(flow(), {})
    assert shared["kept"] == [0, 1, 4] * 2
    assert type(shared["of 1"]) is list


def test_items_add_to_what_a_batch_before_them_brought(one_slot: flowq.LocalCluster) -> None:
    def flow() -> flowq.Flow:
        start = nested.Keeps(3)
        start - "done" >> nested.Places(nested.Adds())
        flow = flowq.Flow(start)
        flow.set_params({"place": 7})
        return flow

    shared: dict[str, Any] = {}
    flow().run(shared)
    assert shared == inline(flow(), {})
    assert shared["kept"] == [0, 1, 4, 0, 1]


def test_what_an_inner_batch_brought_is_an_item_s_value(one_slot: flowq.LocalCluster) -> None:
    items: list[list[Any]] = [["a"], [1, None], [None]]
    result = nested.Answers().map(items)
    with activated(flowq.InlineExecutor()):
        assert result == nested.Answers().map(items)
    assert result[0] == [{"a": "a"}]
    assert nested.Answers().map([nested.Parts().map([])]) == [[]], "as an item"


def test_the_failure_of_an_inner_batch_is_its_item_s_and_a_redrive_does_what_is_missing(
    one_slot: flowq.LocalCluster, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.touch()
    flow = nested.Level(nested.Failing(str(broken)), 6, on_error="collect")
    handle = flow.submit([{"place": place} for place in range(6)])
    result = handle.result(timeout=30)
    assert [one.status for one in result.items] == ["failed"] * 4 + ["ok"] * 2
    assert isinstance(result.errors[0], flowq.BatchError)
    assert "item 0 of place 0" in str(result.errors[0].errors[0])


def test_cancelling_the_outer_batch_ends_the_inner_ones(one_slot: flowq.LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    handle = nested.Level(nested.Watched(str(path), 200, 0.05), 3).submit([{"place": place} for place in range(3)])
    until(path.exists, 20, "an inner item has run")
    handle.cancel()
    redis, keys = one_slot.executor.connections.redis, one_slot.executor.connections.keys
    until(lambda: not redis.zcard(keys.batches), 20, "nothing is left to care for")
    done = len(path.read_text().splitlines())
    assert nested.Leaves(4).submit(range(4)).result(timeout=20) == [0, 1, 4, 9]
    assert len(path.read_text().splitlines()) <= done + 1


def test_a_store_is_there_for_as_long_as_its_batch_runs(one_slot: flowq.LocalCluster) -> None:
    flow = nested.Level(nested.SlowReader(3.0), 1, retention_s=2.0)
    shared = {"kept": "value"}
    flow.run(shared)
    assert shared["read"] == ["value"]


def test_concurrency_holds_for_all_levels_together(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with flowq.LocalCluster(slots=4, workers=1, imports=["tests.nested"], grace_s=0):
        flow = nested.Level(nested.Level(nested.Watched(str(path), 4, 0.02), 3), 3, concurrency=2)
        flow.run({})
    assert len(path.read_text().splitlines()) == 36
    assert nested.most_at_once(path) == 2
