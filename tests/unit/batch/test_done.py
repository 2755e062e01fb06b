"""Done: what one run brought, and how it travels."""

from __future__ import annotations

from array import array

import pytest

from flowq.batch import Done, ItemDone, Outcome, Park


def some_run() -> Done:
    failed = Outcome(11, "failed", error=ValueError("no"), attempts=3)
    retried = Outcome(12, "ok", attempts=2)
    fallback = Outcome(13, "fallback", attempts=1)
    return Done(
        10,
        ["a", None, "c", "d", None],
        {11: failed, 12: retried, 13: fallback},
        seconds=0.5,
        durations=array("f", [0.125, 0.125, 0.0, 0.25, 0.0]),
        parked=[Park(14, 1, 30.0, "retry after ValueError: no")],
        worker="w1",
        started_at=1_700_000_000.0,
    )


def test_the_counts_add_up_to_the_items_that_are_not_parked() -> None:
    assert some_run().counts() == {"ok": 2, "fallback": 1, "failed": 1, "retried": 2}
    assert some_run().upto == 15


def test_any_index_has_an_outcome_with_its_value_time_and_worker() -> None:
    run = some_run()
    assert run.outcome(10) == Outcome(10, "ok", "a", None, 1, 0.125, "w1")
    assert (run.outcome(11).status, run.outcome(11).output, run.outcome(11).attempts) == ("failed", None, 3)
    assert (run.outcome(12).output, run.outcome(12).attempts) == ("c", 2)
    assert run.outcome(13).success
    assert [outcome.index for outcome in run.outcomes()] == [10, 11, 12, 13]


@pytest.mark.parametrize("index", [9, 15])
def test_an_index_of_another_run_is_refused(index: int) -> None:
    with pytest.raises(IndexError):
        some_run().outcome(index)


def test_items_that_were_not_timed_report_the_mean() -> None:
    run = Done(0, [1, 2], seconds=0.00001)
    assert run.outcome(1).execution_time == pytest.approx(0.000005)


def test_plain_data_and_back_is_the_same_run() -> None:
    run = some_run()
    plain = run.to_plain()
    assert type(plain) is tuple
    again = Done.from_plain(plain)
    assert list(again.outcomes()) == list(run.outcomes())
    assert (again.parked, again.started_at, again.durations) == (run.parked, run.started_at, run.durations)


def test_single_items_are_gathered_in_order_with_their_changes() -> None:
    run = Done.gather(
        3,
        [
            ItemDone("a", seconds=0.5),
            ItemDone("b", seconds=0.5, delta={"n": ("set", 1, 4)}),
            ItemDone(outcome=Outcome(5, "failed", error=ValueError("no"))),
            ItemDone(park=Park(6, 1, 2.0, "later")),
        ],
    )
    assert run.values == ["a", "b", None, None]
    assert run.deltas == [None, {"n": ("set", 1, 4)}, None, None]
    assert run.counts() == {"ok": 2, "fallback": 0, "failed": 1, "retried": 0}
    assert run.seconds == 1.0


def test_fast_items_keep_no_durations() -> None:
    assert Done.gather(0, [ItemDone(1, seconds=0.000001)] * 5).durations is None


def test_the_halves_of_a_run_bring_what_it_brought() -> None:
    failed = Outcome(4, "failed", error=ValueError("no"))
    run = Done(
        2, ["a", "b", None, None, "e"], {4: failed}, 5.0, array("f", [1, 2, 3, 4, 5]), [Park(5, 1, 2.0, "retry")],
        "w", 7.0, [1, 2, None, None, 5], 3.0,
    )  # fmt: skip
    first, rest = run.halves()
    assert (first.start, first.upto, rest.start, rest.upto) == (2, 4, 4, 7)
    assert first.values + rest.values == run.values
    assert {**first.notable, **rest.notable} == run.notable
    assert first.parked + rest.parked == run.parked
    assert list(first.durations or []) + list(rest.durations or []) == [1, 2, 3, 4, 5]
    assert (first.deltas or []) + (rest.deltas or []) == run.deltas
    assert first.seconds + rest.seconds == run.seconds
    assert (first.held_s, rest.held_s) == (0.0, 3.0), "only what comes after the whole is held"


def test_a_run_is_extended_by_what_follows() -> None:
    failed, again = Outcome(1, "failed", error=ValueError("no")), Outcome(4, "ok", attempts=2)
    run = Done(0, ["a", None], {1: failed}, 4.0)
    run.extend(
        Done(2, ["c", None, "e"], {4: again}, 3.0, array("f", [0, 1, 2]), [Park(3, 1, 2.0, "retry")], held_s=3.0)
    )
    assert (run.upto, run.values) == (5, ["a", None, "c", None, "e"])
    assert run.notable == {1: failed, 4: again}
    assert [park.index for park in run.parked] == [3]
    assert [run.time_of(index) for index in range(5)] == [2, 2, 0, 1, 2]
    assert (run.seconds, run.held_s) == (7.0, 3.0)


def test_what_extends_fast_items_may_be_fast_itself() -> None:
    run = Done(0, [1], seconds=0.000001)
    run.extend(Done.gather(1, [ItemDone(1)]))
    assert (run.values, run.durations) == ([1, 1], None)
