"""Items that run when their batch ends are told within seconds, and their slots are free again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.executor import active
from flowq.engine.connection import Connections
from flowq.engine.reading.results import State, read_state
from tests import nodes
from tests.nested import Level
from tests.patient import AsyncWaits, Waits, WaitsInside, noted
from tests.submitting import submit
from tests.waiting import until

# A pulse of a second, a look, and a machine that has other things to do.
TOLD_WITHIN_S = 5.0

KINDS = pytest.mark.parametrize(
    ("kind", "options", "at_once"),
    [(Waits, {}, 2), (Waits, {"in_flight": 4, "chunk_size": 2}, 4), (AsyncWaits, {"chunk_size": 2}, 4)],
    ids=["one by one", "in threads", "async"],
)


@pytest.fixture
def notes(tmp_path: Path) -> str:
    return str(tmp_path / "notes")


def assert_slots_are_free(cluster: flowq.LocalCluster) -> None:
    began = time.monotonic()
    assert submit(nodes.Logged("/dev/null", seconds=0.3, chunk_size=1), range(2)).result(timeout=10) == [0, 3]
    assert time.monotonic() - began < 2


@KINDS
def test_cancel_reaches_items_that_run(
    cluster: flowq.LocalCluster, notes: str, kind: type[Waits], options: dict[str, Any], at_once: int
) -> None:
    handle = submit(kind(notes, **options), range(4))
    until(lambda: noted(notes, "begins") == at_once, 10, "items run")
    began = time.monotonic()
    handle.cancel()
    until(lambda: noted(notes, "told") == at_once, TOLD_WITHIN_S, "all are told")
    print(f"\ntold after {time.monotonic() - began:.2f} s")
    assert_slots_are_free(cluster)
    with pytest.raises(flowq.BatchError, match="the batch was cancelled") as raised:
        handle.result()
    assert [one.status for one in raised.value.results.items] == ["cancelled"] * 4
    assert noted(notes, "begins") == at_once


def test_cancel_reaches_items_of_batches_within_the_batch(cluster: flowq.LocalCluster, notes: str) -> None:
    flow = Level(WaitsInside(notes), 2, on_error="collect")
    handle: Any = active().submit(flow.job([{"place": 0}, {"place": 1}], shared={}))
    until(lambda: noted(notes, "begins") == 2, 10, "items of a child run")
    handle.cancel()
    until(lambda: noted(notes, "told") == 2, TOLD_WITHIN_S, "they are told")
    assert_slots_are_free(cluster)
    assert [one.status for one in handle.result().items] == ["cancelled"] * 2
    assert noted(notes, "begins") == 2


@pytest.mark.parametrize("kind", [Waits, AsyncWaits], ids=["one by one", "async"])
def test_the_failure_that_ends_a_batch_reaches_items_that_run(
    cluster: flowq.LocalCluster, notes: str, kind: type[Waits]
) -> None:
    handle = submit(kind(notes, others=1), [1, -1])
    with pytest.raises(flowq.BatchError, match="stopped after 1 failed") as raised:
        handle.result(timeout=20)
    until(lambda: noted(notes, "told") == 1, TOLD_WITHIN_S, "the other is told")
    assert_slots_are_free(cluster)
    assert [one.status for one in raised.value.results.items] == ["cancelled", "failed"]


def test_the_deadline_is_held_by_the_workers_and_reaches_items_that_run(
    cluster: flowq.LocalCluster, notes: str
) -> None:
    began = time.monotonic()
    handle = submit(Waits(notes, deadline=1.0, on_error="collect", chunk_size=2), range(8))
    connections = Connections(flowq.Settings(broker_url=cluster.broker_url))

    def closed() -> State | None:  # looked at from beside: nobody waits for this batch
        state = read_state(connections, handle.id)
        return state if state.closed else None

    state = until(closed, 10, "it is closed")
    assert 1.0 <= time.monotonic() - began < 3.5
    assert (state.state, state.reason) == ("cancelled", "deadline")
    until(lambda: noted(notes, "told") == 2, TOLD_WITHIN_S, "all are told")
    assert_slots_are_free(cluster)
    result = handle.result()
    assert {str(one.error) for one in result.items} == {"the deadline of 1 s has passed"}
    assert noted(notes, "begins") == 2
    connections.close()


def test_a_deadline_passes_while_chunks_are_long(cluster: flowq.LocalCluster) -> None:
    began = time.monotonic()
    result = nodes.Slow(2.5, deadline=0.5, on_error="collect", chunk_size=10).map(range(20))
    assert time.monotonic() - began < 2
    assert {one.status for one in result.items} == {"cancelled"}


def test_a_deadline_passes_while_no_worker_is_there(cluster: flowq.LocalCluster) -> None:
    with pytest.raises(flowq.BatchError, match=r"the deadline of 0\.3 s has passed"):
        nodes.Square(deadline=0.3, queue="nobody").map(range(3))
