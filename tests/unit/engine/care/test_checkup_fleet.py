"""The checks of `flowq doctor` on workers and batches: from what Redis holds to a verdict and what to change."""

from __future__ import annotations

from dataclasses import replace

import pytest

from flowq.engine.care.checkup_fleet import SHOWN, BatchSeen, backlog, worker, workers
from flowq.engine.fleet.presence import Sighting, WorkerRecord
from flowq.engine.ledger import SCHEMA_VERSION

HERE = "1.0.0"
RECORD = WorkerRecord(
    "w@host", "host", 1, 4, {"flowq": "flowq:flowq"}, ("app.nodes:Parse", "flowq:Node"), HERE, 0.0
)  # fmt: skip
SEEN = Sighting("w@host", RECORD, 0.4, 0.01, 0.4)
BATCH = BatchSeen("parse-1", str(SCHEMA_VERSION), "running", "flowq", 100, 40, 4, 0, True)


def named(name: str, seen: Sighting = SEEN) -> Sighting:
    assert seen.record is not None
    return replace(seen, name=name, record=replace(seen.record, name=name))


def test_a_worker_is_told_with_slots_queues_modules_version_beat_and_clock() -> None:
    found = worker(SEEN, HERE)
    assert (found.verdict, found.advice) == ("ok", "")
    assert found.found == "4 slots on flowq; 1 node class of app.nodes; flowq 1.0.0; beat 0.4 s ago; clock +0.01 s"


@pytest.mark.parametrize(
    ("seen", "verdict", "advice"),
    [
        (
            replace(SEEN, record=replace(RECORD, version="0.9.0")),
            "warn",
            "one version of flowq everywhere; here it is 1.0.0",
        ),
        (replace(SEEN, record=None), "warn", "one version of flowq"),
        (replace(SEEN, age_s=3.5), "warn", "overloaded, or frozen"),
        (replace(SEEN, ahead_s=-2.0), "warn", "run NTP on host"),
        (replace(SEEN, ahead_s=40.0), "fail", "run NTP on host"),
        (replace(SEEN, record=None, age_s=None, ahead_s=None, gone_s=17.0), "warn", "see its log"),
        (replace(SEEN, record=replace(RECORD, nodes=("flowq:Node",))), "warn", "FLOWQ_IMPORTS=your.module"),
        (replace(SEEN, record=replace(RECORD, nodes=("flowq.core.node:Node",))), "warn", "FLOWQ_IMPORTS=your.module"),
    ],
    ids=["other version", "unreadable", "late", "clock", "clock far off", "gone", "no nodes", "none of an older one"],
)
def test_what_is_wrong_with_a_worker_is_said_with_what_to_change(seen: Sighting, verdict: str, advice: str) -> None:
    found = worker(seen, HERE)
    assert found.verdict == verdict
    assert advice in found.advice


def test_slots_are_counted_for_the_queue_that_is_asked_for() -> None:
    other = replace(SEEN, record=replace(RECORD, queues={"gpu": "flowq:gpu"}))
    total, *_ = workers([SEEN, named("v@host"), other], "flowq", HERE)
    assert (total.verdict, total.found) == ("ok", "2 workers, 8 slots on queue 'flowq'")
    total, *_ = workers([other], "flowq", HERE)
    assert (total.verdict, total.found) == ("warn", "none on queue 'flowq'; there are some on gpu")
    (total,) = workers([], "flowq", HERE)
    assert (total.verdict, "flowq worker" in total.advice) == ("warn", True)


def test_of_many_workers_those_in_trouble_are_shown_first_and_the_rest_counted() -> None:
    late = replace(named("z@host"), age_s=4.0)
    lines = workers([*(named(f"w{n:03}@host") for n in range(100)), late], "flowq", HERE)
    assert (lines[1].check, lines[1].verdict) == ("worker z@host", "warn")
    assert lines[-1].found == f"and {101 - SHOWN} more"
    assert len(lines) == SHOWN + 2


def test_classes_that_only_some_workers_know_are_named() -> None:
    newer = replace(
        SEEN, name="new@host", record=replace(RECORD, name="new@host", nodes=("app.nodes:Parse", "app.nodes:Fetch"))
    )
    *_, uneven = workers([SEEN, newer], "flowq", HERE)
    assert (uneven.check, uneven.verdict) == ("node classes", "warn")
    assert uneven.found == "app.nodes:Fetch: unknown to 1 worker, such as w@host"


def test_what_is_under_way_is_summed_up() -> None:
    ended = replace(BATCH, id="b", state="succeeded", done=100)
    (total,) = backlog([BATCH, replace(BATCH, id="c", state="paused", parked=3), ended], {"flowq": 8}, {"flowq"})
    assert total.verdict == "ok"
    assert total.found == (
        "2 running, 120 items to do, 8 chunks open, 3 items waiting for another try, 1 paused, 1 to be aggregated, "
        "8 messages queued"
    )


def test_a_queue_with_work_and_without_workers_is_worth_a_warning() -> None:
    (total,) = backlog([replace(BATCH, queue="gpu")], {"flowq": 0, "gpu": 4}, {"flowq"})
    assert (total.verdict, total.advice) == ("warn", "start a worker there: flowq worker --queue gpu")


def test_a_batch_without_its_producer_and_one_of_another_schema_are_named() -> None:
    total, half, other = backlog([replace(BATCH, fed=False), replace(BATCH, id="old", version="0")], {}, {"flowq"})
    assert total.verdict == "ok"
    assert (half.check, half.verdict) == ("batch parse-1", "warn")
    assert "submit it again under its key" in half.advice
    assert (other.check, other.verdict) == ("batch old", "warn")
