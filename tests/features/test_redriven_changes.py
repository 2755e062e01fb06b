"""What items of a batch flow change when a result runs them again: in its delta, and never lost without a word."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests.mendable import MendableFlow, MendableKept, MendableNote, MendableStep, MendsFlowInPost


@pytest.fixture
def mended(tmp_path: Path) -> Path:
    return tmp_path / "mended"


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [one.getMessage() for one in caplog.records if one.levelno >= logging.WARNING and "store" in one.msg]


def test_it_is_said_that_they_are_in_no_store(
    executor: str, tmp_path: Path, mended: Path, caplog: pytest.LogCaptureFixture
) -> None:
    flow = MendableFlow(start=MendableStep(str(tmp_path / "ran"), str(mended), [1]))
    shared: dict[str, Any] = {"count": 3, "found": []}
    with pytest.raises(flowq.BatchError) as raised:
        flow.run(shared)
    assert shared["found"] == []
    assert said(caplog) == []
    mended.touch()
    again = raised.value.results.retry_failed()
    assert again == [None] * 3
    assert shared["found"] == []
    (line,) = said(caplog)
    assert "flow.take(shared, result)" in line
    flow.take(shared, again)
    assert shared["found"] == [0, 1, 2]


def test_so_it_is_where_the_store_has_what_the_others_changed(
    executor: str, tmp_path: Path, mended: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared: dict[str, Any] = {"count": 3, "found": []}
    MendableKept(start=MendableStep(str(tmp_path / "ran"), str(mended), [1]), on_error="collect").run(shared)
    assert shared["found"] == [0, 2]
    mended.touch()
    again = shared["result"].retry_failed()
    assert again.delta["found"] == ("extend", [0, 1, 2], 0)
    assert shared["found"] == [0, 2]
    assert len(said(caplog)) == 1


def test_nothing_is_said_where_nothing_is_changed_or_there_is_no_store(
    executor: str, tmp_path: Path, mended: Path, caplog: pytest.LogCaptureFixture
) -> None:
    shared: dict[str, Any] = {"count": 3, "found": []}
    MendableKept(start=MendableStep(str(tmp_path / "ran"), str(mended), [1, 2]), on_error="collect").run(shared)
    assert shared["found"] == [0]
    assert len(shared["result"].retry_failed().failed) == 2, "they fail again"
    without = MendableFlow(start=MendableNote(str(mended)), on_error="collect").map([{"n": 0}, {"n": 1}])
    mended.touch()
    assert without.retry_failed().delta == {"note 0": ("set", 0, 0), "note 1": ("set", 1, 1)}
    assert said(caplog) == []


def test_a_node_of_a_submitted_flow_runs_items_of_a_batch_flow_again(
    executor: str, tmp_path: Path, mended: Path
) -> None:
    flow = MendsFlowInPost(
        MendableStep(str(tmp_path / "ran"), str(mended), [0, 3, 4]), str(mended), on_error="collect", chunk_size=3
    )
    shared = flowq.Flow(flow).submit({"count": 8, "found": []}).result(timeout=30).shared
    assert shared["first"] == [1, 2, 5, 6, 7]
    assert (shared["again"], shared["failed"]) == ([0, 1, 2, 3, 4, 5, 6, 7], 0), "in the order of the items"
    assert shared["found"] == [1, 2, 5, 6, 7], "no store is changed"
