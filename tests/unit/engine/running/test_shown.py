"""What Flower is told of chunks and items: words and events, without anything to send them to."""

from __future__ import annotations

from array import array
from types import SimpleNamespace
from typing import Any

from flowq.batch.results.done import Done, Park
from flowq.batch.results.outcome import Outcome
from flowq.engine.batches import Header
from flowq.engine.running.held_range import RUNS_ON
from flowq.engine.running.shown import Went, _all

HEADER = Header("photos-1", "photos", "Nightly.Resize", "flowq", None, b"")


def run_of_six() -> Done:
    """ok, failed, fallback, ok at the third try, parked, one that runs on by itself."""
    notable = {
        11: Outcome(11, "failed", error=ValueError("bad"), attempts=2),
        12: Outcome(12, "fallback", error=ValueError("bad")),
        13: Outcome(13, "ok", attempts=3),
    }
    parked = [Park(14, 1, 5.0, "retry after OSError: away"), Park(15, 0, 0.0, RUNS_ON)]
    times = array("f", [1.0, 2.0, 3.0, 4.0, 0.0, 0.0])
    return Done(10, [None] * 6, notable, 10.0, times, parked, "local-1@host", started_at=100.0)


def test_how_it_went_is_said_in_figures() -> None:
    went = Went()
    assert str(went) == "0 items"
    went.add(run_of_six())
    assert str(went) == "4 items, 1 failed, 1 fallback, 1 to be tried again"
    went.add(Done(0, [None] * 1200))
    assert str(went).startswith("1,204 items")


def events(in_flight: int) -> list[tuple[str, int, dict[str, Any]]]:
    work: Any = SimpleNamespace(in_flight=in_flight, runner=SimpleNamespace(is_async=False))
    return list(_all(work, run_of_six()))


def test_each_item_begins_and_ends_at_its_time_and_what_runs_on_is_left_out() -> None:
    told = {(kind, index): fields for kind, index, fields in events(1)}
    assert [index for kind, index in told if kind == "task-started"] == [10, 11, 12, 13]
    assert told["task-started", 11]["timestamp"] == 101
    assert told["task-failed", 11]["timestamp"] == 103
    assert told["task-failed", 11]["exception"] == "ValueError('bad')"
    assert told["task-succeeded", 12]["result"] == "fallback"
    assert told["task-succeeded", 13]["result"] == "ok, 3 tries"
    assert told["task-retried", 14]["exception"] == "retry after OSError: away"
    assert not any(index == 15 for _, index in told)


def test_items_that_ran_together_end_now() -> None:
    ends = {fields["timestamp"] for kind, _, fields in events(8) if kind in ("task-succeeded", "task-failed")}
    assert len(ends) == 1
