"""A run that waits for several events at once: for the first of them, or for all."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowq
from tests.features.graphs import Hears
from tests.features.waits import FirstCompleted, Groups, Patient, RacesCalls, RacesTwice, Works
from tests.waiting import until


def race(kind: str) -> flowq.Node:
    return RacesCalls() if kind == "calls" else flowq.RaceNode(Hears("one"), Hears("two"))


def parked(run: flowq.core.walks.runs.Run) -> flowq.core.walks.runs.Run:
    until(lambda: run.status == "parked", 20, "it waits")
    return run


@pytest.mark.parametrize("kind", ["calls", "nodes"])
@pytest.mark.parametrize("event", ["one", "two"])
def test_row_083_a_race_of_events_is_won_by_the_one_that_comes(executor: str, event: str, kind: str) -> None:
    run = parked(flowq.Flow(race(kind)).submit({}))
    run.send(event, event.upper())
    assert run.result(timeout=20).shared in ({"answer": event.upper()}, {event: event.upper()})


@pytest.mark.parametrize("kind", ["calls", "nodes"])
@pytest.mark.parametrize("events", [["one", "two"], ["two", "one"]])
def test_row_083_of_events_that_are_there_the_first_that_was_sent_wins_and_the_others_are_kept(
    executor: str, events: list[str], kind: str
) -> None:
    first = race(kind)
    first >> Hears(events[1])
    run = flowq.Flow(first).submit({})
    for event in events:
        run.send(event, event.upper())
    shared = run.result(timeout=20).shared
    assert shared.get("answer", shared.get(events[0])) == events[0].upper()
    assert shared[events[1]] == events[1].upper()


def test_row_083_a_race_stays_decided_whatever_comes_while_its_node_waits_on(executor: str) -> None:
    run = parked(flowq.Flow(RacesTwice()).submit({}))
    run.send("two", "second")
    until(lambda: run.awaits() == ["go-on"], 20, "the race is decided")
    parked(run).send("one", "first")
    run.send("go-on", "go on")
    assert run.result(timeout=20).shared == {"answer": ["second", "go on"]}


def test_row_083_a_race_of_events_of_which_none_comes_ends_in_time(executor: str) -> None:
    run = flowq.Flow(RacesCalls(config={"timeout_s": 0.3})).submit({})
    with pytest.raises(ExceptionGroup, match="none of 2 succeeded") as raised:
        run.result(timeout=20)
    assert [type(error) for error in raised.value.exceptions] == [TimeoutError, TimeoutError]


@pytest.mark.parametrize("retries", [1, 2])
def test_row_083_a_node_s_timeout_goes_on_while_it_waits(executor: str, retries: int) -> None:
    races = flowq.RaceNode(Hears("one"), Hears("two"), timeout=0.3, max_retries=retries)
    run = flowq.Flow(races).submit({})
    with pytest.raises(flowq.ItemTimeout, match=r"timeout of 0\.3 s"):
        run.result(timeout=20)


@pytest.mark.parametrize("events", [["one", "two"], ["two", "one"]])
def test_row_083_a_task_group_waits_for_all_of_its_events(executor: str, events: list[str]) -> None:
    run = flowq.Flow(Groups()).submit({})
    for event in events:
        parked(run).send(event, event.upper())
    assert run.result(timeout=20).shared == {"answer": ["ONE", "TWO"]}


@pytest.mark.parametrize("event", ["one", "two"])
def test_row_083_whoever_waits_for_the_first_with_asyncio_gets_it(executor: str, event: str) -> None:
    parked(run := flowq.Flow(FirstCompleted()).submit({})).send(event, event.upper())
    assert run.result(timeout=20).shared == {"answer": [event.upper()]}


def test_row_083_all_that_its_branches_wait_for_is_told(executor: str) -> None:
    run = flowq.Flow(flowq.Parallel(Hears("two"), Hears("one"))).submit({})
    until(lambda: run.awaits() == ["one", "two"], 20, "both wait")
    run.send("two")
    until(lambda: run.awaits() == ["one"], 20, "one of them is there")
    run.send("one")
    run.result(timeout=20)
    assert run.awaits() == []


def test_row_083_a_branch_that_works_beside_one_that_waits_works_to_its_end(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "done"
    run = flowq.Flow(flowq.Parallel(Hears("one"), Works(str(path), 0.7))).submit({})
    until(path.exists, 20, "nobody has sent anything")
    run.send("one", 1)
    assert run.result(timeout=20).shared == {"one": 1}


def test_row_083_an_event_that_comes_while_a_branch_works_lets_none_begin_anew(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "done"
    run = flowq.Flow(flowq.Parallel(Hears("one"), Works(str(path), 0.7))).submit({})
    run.send("one", 1)
    assert run.result(timeout=20).shared == {"one": 1}
    assert path.read_text() == "done\n"


def test_row_083_a_branch_that_lets_time_pass_before_it_fails_is_heard(executor: str) -> None:
    run = flowq.Flow(flowq.Parallel(Hears("one"), Patient())).submit({})
    with pytest.raises(TimeoutError, match="'nothing' did not come"):
        run.result(timeout=20)
