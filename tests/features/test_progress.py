"""Row 54, ``ctx.progress`` and ``ctx.heartbeat``: where a batch stands, and where its items do."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.worker.boards import Boards
from tests import nodes
from tests.features import functions
from tests.waiting import until

KINDS = [functions.Reports, functions.ReportsLater]


@pytest.mark.parametrize("kind", KINDS)
def test_row_054_a_running_item_says_how_far_it_is(executor: str, kind: Any, tmp_path: Path) -> None:
    began = time.time()
    gate = tmp_path / "gate"
    handle = kind().submit([str(gate)])
    report = until(lambda: handle.progress().reports.get(0), 20, "a report")
    assert report.done in (1, 2)
    assert report.total == 4
    assert began <= report.at <= time.time()
    until(lambda: (one := handle.progress().reports.get(0)) and str(one) == "2/4", 20, "the latest report")
    gate.touch()
    handle.result()
    assert handle.progress().reports == {}


@pytest.mark.parametrize("kind", KINDS)
def test_a_heartbeat_begins_the_time_limit_anew(executor: str, kind: Any, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    handle = kind(timeout=0.3).submit([str(gate)])
    until(lambda: handle.progress().reports.get(0), 20, "a report")
    assert not handle.wait(1.0)
    gate.touch()
    assert handle.result()[0] > 1


def test_row_054_counters_say_what_is_done_and_how_long_it_takes(executor: str) -> None:
    handle = flowq.MapNode(functions.third_time, max_retries=3).submit(range(10))
    handle.wait()
    now = handle.progress()
    assert (now.total, now.done, now.ok, now.failed, now.retried, now.state) == (10, 10, 10, 0, 10, "succeeded")
    assert now.rate > 0
    assert now.eta_s == 0


def test_row_054_a_function_is_told_of_progress_while_the_batch_is_waited_for(executor: str) -> None:
    told: list[flowq.Progress] = []
    node = nodes.Slow(0.01, on_progress=told.append)
    node.map(range(100))
    assert (told[0].state, told[-1].state) == ("running", "succeeded")
    assert told[-1].done == 100
    assert [one.done for one in told] == sorted(one.done for one in told)
    assert len(told) <= 60


def test_row_054_how_many_items_a_source_has_is_not_known_before_its_end(executor: str) -> None:
    told: list[flowq.Progress] = []

    def source() -> Iterator[int]:
        while not told:
            time.sleep(0.005)
            yield 1

    result = nodes.Slow(0.01, on_progress=told.append).map(source())
    assert told[0].total is None
    assert (told[-1].state, told[-1].total) == ("succeeded", len(result))


def test_row_054_a_batch_that_ends_before_its_source_has_the_items_that_were_read(executor: str) -> None:
    told: list[flowq.Progress] = []
    with pytest.raises(flowq.BatchError) as raised:
        nodes.Picky(on_progress=told.append).map(itertools.count())
    assert raised.value.results is not None
    assert (told[-1].state, told[-1].total) == ("failed", len(raised.value.results))


def test_row_054_a_method_may_be_told_as_well(inline: None) -> None:
    seen: list[int] = []

    class Told(nodes.Slow):
        def on_progress(self, progress: flowq.Progress) -> None:
            seen.append(progress.done)

    Told(0.001).map(range(10))
    assert seen[-1] == 10


def test_a_heartbeat_puts_off_the_end_of_a_process_that_does_not_heed_its_limit() -> None:
    boards = Boards()
    board = boards.own(0)
    board.prolong(60)
    assert boards.used()[0].kill_at == 0, "no item runs"
    board.running(7, 1.0)
    before = boards.used()[0].kill_at
    board.prolong(60)
    assert boards.used()[0].kill_at > before + 50
    assert boards.used()[0].item == 7


def test_a_heartbeat_in_a_fallback_brings_no_limit_back() -> None:
    boards = Boards()
    board = boards.own(0)
    board.unlimited()
    board.running(7, 1.0)
    board.unlimited()
    board.prolong(60)
    assert (boards.used()[0].item, boards.used()[0].kill_at) == (7, 0)
    board.running(8, 1.0)
    assert boards.used()[0].kill_at > 0, "the next item has its own"
