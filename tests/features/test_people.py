"""Row 83: a run waits for a person, and holds no slot meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowq
from flowq.compat import pocketflow
from tests.features.functions import Refuses
from tests.features.graphs import Approval, AsksAPerson, Hears, PocketSays, Says
from tests.features.nodes import Ledger
from tests.nodes import Echo
from tests.waiting import until


def approval() -> flowq.Flow:
    first, ask = Says(name="first"), Approval()
    first >> ask
    ask - "yes" >> Says(name="published")
    ask - "no" >> Says(name="rejected")
    return flowq.Flow(start=first)


@pytest.mark.parametrize(("ok", "said"), [(True, "published"), (False, "rejected")])
def test_row_083_a_run_waits_for_an_event_and_follows_it(executor: str, ok: bool, said: str) -> None:
    run = approval().submit({})
    until(lambda: run.status == "parked", timeout_s=20)
    run.send("approval", {"ok": ok, "by": "ada"})
    result = run.result(timeout=20)
    assert result.shared["said"] == ["first", said]
    assert result.shared["answer"] == {"ok": ok, "by": "ada"}


def test_row_083_many_runs_that_wait_hold_no_slot(executor: str) -> None:
    runs = [approval().submit({}) for _ in range(5)]
    until(lambda: all(run.status == "parked" for run in runs), timeout_s=20)
    assert Echo().map([1, 2, 3]) == [1, 2, 3]
    for run in runs:
        run.cancel()


def test_row_083_request_input_of_grapheteria_waits_in_the_same_way(executor: str) -> None:
    run = flowq.Flow(start=AsksAPerson(id="person")).submit({})
    until(lambda: run.status == "parked", timeout_s=20)
    run.send("name", "ada")
    run.send("person", "yes")
    assert run.result(timeout=20).shared["asked"] == ["ada", "yes"]


@pytest.mark.parametrize("events", [["one", "two"], ["two", "one"]])
def test_row_083_branches_wait_side_by_side_and_get_their_events_in_any_order(executor: str, events: list[str]) -> None:
    run = flowq.Flow(flowq.Parallel(Hears("one"), Hears("two"))).submit({})
    until(lambda: run.status == "parked", timeout_s=20)
    run.send(events[0], events[0].upper())
    assert not run.wait(0.5), "one event is not both"
    until(lambda: run.status == "parked", timeout_s=20)
    run.send(events[1], events[1].upper())
    assert run.result(timeout=20).shared == {"one": "ONE", "two": "TWO"}


@pytest.mark.parametrize("waits", [[None, 0.5], [0.5, None]])
def test_row_083_a_branch_s_wait_ends_in_time_beside_one_without_an_end(
    executor: str, waits: list[float | None]
) -> None:
    run = flowq.Flow(flowq.Parallel(Hears("one", waits[0]), Hears("two", waits[1]))).submit({})
    with pytest.raises(TimeoutError, match=r"did not come within 0\.5 s"):
        run.result(timeout=20)


@pytest.mark.parametrize("waits_last", [True, False])
def test_row_083_a_race_waits_for_the_one_that_has_not_failed(executor: str, waits_last: bool) -> None:
    nodes = [Refuses(), Hears("one")]
    run = flowq.Flow(flowq.RaceNode(*(nodes if waits_last else nodes[::-1]))).submit({})
    until(lambda: run.status == "parked", timeout_s=20)
    run.send("one", 1)
    assert run.result(timeout=20).shared == {"one": 1}


def test_row_083_nobody_can_answer_a_flow_that_was_not_submitted() -> None:
    with pytest.raises(flowq.FlowError, match=r"flow\.submit"):
        approval().run({})


def test_row_083_an_event_that_nobody_could_send_is_not_waited_for(executor: str) -> None:
    run = flowq.Flow(start=Approval(event="two words")).submit({})
    with pytest.raises(ValueError, match="named by one word"):
        run.send("two words")
    with pytest.raises(ValueError, match="named by one word"):
        run.result(timeout=20)


def test_a_flow_of_pocketflow_can_be_submitted(executor: str) -> None:
    first, ask = PocketSays(), Approval()
    first - "on" >> ask
    ask - "yes" >> PocketSays()
    run = pocketflow.AsyncFlow(start=first).submit({})
    run.send("approval", {"ok": True})
    assert run.result(timeout=20).shared["said"] == ["PocketSays", "PocketSays"]


def test_row_081_hooks_of_a_submitted_flow_are_told_where_it_runs(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    first = Says(name="first")
    first >> Says(name="second")
    flowq.Flow(start=first, hooks=[Ledger(str(path))]).submit({}).result(timeout=20)
    events = [line.split()[:2] for line in path.read_text().splitlines()]
    assert [event for event in events if "/" in event[1]] == [
        ["node_start", "Flow/first"],
        ["node_end", "Flow/first"],
        ["node_start", "Flow/second"],
        ["node_end", "Flow/second"],
    ]
