"""A list that takes its time to be written: who waits for the batch sees to it meanwhile, in a thread of its own."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.client import executor as executor_module
from flowq.client.executor import CeleryExecutor
from flowq.engine.feed import UNREAD_BYTES
from tests import nodes
from tests.waiting import until

ITEM_BYTES = 256 * 1024


@pytest.fixture(scope="module")
def long_list() -> list[bytes]:
    """Half as much again as may lie in Redis unread."""
    chance = random.Random(7)
    return [chance.randbytes(ITEM_BYTES) for _ in range(UNREAD_BYTES * 3 // 2 // ITEM_BYTES)]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits leaves the rest to another one after the first step."""
    monkeypatch.setattr(executor_module, "HERE_S", 0.0)


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "flowq-submit"]


def test_progress_is_told_while_items_wait_to_be_written(
    cluster: flowq.LocalCluster, tmp_path: Path, long_list: list[bytes]
) -> None:
    """None of them ends before it was told, so that no more of them can be written either."""
    gate, told = tmp_path / "gate", list[flowq.Progress]()

    def tell(now: flowq.Progress) -> None:
        told.append(now)
        gate.touch()

    assert nodes.Gated(str(gate), on_progress=tell).map(long_list) == [ITEM_BYTES] * len(long_list)
    first = told[0]
    assert (first.total, first.done, first.eta_s, first.state) == (len(long_list), 0, None, "running")
    assert (told[-1].total, told[-1].done, told[-1].state) == (len(long_list), len(long_list), "succeeded")
    assert writers() == []


def test_results_are_those_of_the_items_whoever_has_written_them(cluster: flowq.LocalCluster, soon: None) -> None:
    for n in (1, 10, 20_000, 200_000):
        assert nodes.Echo().map(list(range(n))) == list(range(n))


def test_of_a_limit_nothing_more_is_written(cluster: flowq.LocalCluster, soon: None) -> None:
    assert nodes.Echo(limit=150_000).map(range(300_000)) == list(range(150_000))


def test_an_item_far_down_the_list_that_cannot_travel_ends_the_batch(cluster: flowq.LocalCluster, soon: None) -> None:
    items: list[Any] = [*range(150_000), threading.Lock(), *range(10)]
    with pytest.raises(flowq.EncodeError, match="150000"):
        nodes.Echo().map(items)
    assert latest(cluster).state().state == "cancelled"


def test_ctrl_c_ends_the_writing_as_well(cluster: flowq.LocalCluster, tmp_path: Path, long_list: list[bytes]) -> None:
    def interrupt(now: flowq.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nodes.Gated(str(tmp_path / "never"), on_progress=interrupt).map(long_list)
    state = latest(cluster).state()
    assert state.state == "cancelled"
    assert state.avail < len(long_list)
    until(lambda: not writers(), 20, "the end of the writing")
    assert latest(cluster).state().avail == state.avail, "nothing was written any more"
    (tmp_path / "never").touch()  # the items that run look for it


def test_a_submitted_list_is_all_written_when_its_handle_comes_back(cluster: flowq.LocalCluster, soon: None) -> None:
    """Its producer may end then."""
    handle = nodes.Echo().submit(list(range(150_000)))
    assert handle.state().sealed
    assert not handle.is_fed_here
    assert handle.result() == list(range(150_000))


def latest(cluster: flowq.LocalCluster) -> Any:
    assert isinstance(cluster.executor, CeleryExecutor)
    return cluster.executor.latest()
