"""BatchResult: values in order, outcomes beside them, and what it raises."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from flowq.batch import BatchResult, Done, Outcome, Park
from flowq.errors import BatchError, ItemCancelled


def failed(index: int, text: str = "no") -> dict[int, Outcome]:
    return {index: Outcome(index, "failed", error=ValueError(text))}


def result(on_error: Any = "raise", n: int = 6) -> BatchResult[Any]:
    runs = [Done(2, ["c", None], failed(3), seconds=2.0), Done(0, ["a", "b"], seconds=1.0)]
    return BatchResult.assemble(runs, n, on_error=on_error, label="parse", seconds=2.0, reason="stopped")


def test_values_stand_in_item_order_with_none_for_what_has_none() -> None:
    assert result() == ["a", "b", "c", None, None, None]


def test_skip_leaves_out_what_has_no_value_but_keeps_the_outcomes() -> None:
    skipped = result("skip")
    assert skipped == ["a", "b", "c"]
    assert [outcome.status for outcome in skipped.items] == ["ok", "ok", "ok", "failed", "cancelled", "cancelled"]


def test_outcomes_are_grouped() -> None:
    them = result()
    assert [outcome.index for outcome in them.ok] == [0, 1, 2]
    assert [outcome.index for outcome in them.failed] == [3]
    assert [outcome.index for outcome in them.cancelled] == [4, 5]
    assert list(them.errors) == [3]
    assert isinstance(them.items[4].error, ItemCancelled)
    assert them.items[4].attempts == 0
    assert [outcome.index for outcome in them.items[1:3]] == [1, 2]


def test_a_parked_place_is_filled_by_the_run_that_comes_later_and_by_no_other() -> None:
    first = Done(0, ["a", None, "c"], parked=[Park(1, 1, 5.0, "later")])
    later = Done(1, ["b"], {1: Outcome(1, "ok", attempts=2)})
    for runs in ([first, later], [later, first]):
        them: BatchResult[Any] = BatchResult.assemble(runs, 3)
        assert them == ["a", "b", "c"]
        assert them.items[1].attempts == 2
        assert not them.failed


def test_a_later_generation_stands_over_an_earlier_one() -> None:
    them: BatchResult[Any] = BatchResult.assemble([Done(0, ["a", None], failed(1)), Done(1, ["b"])], 2)
    assert them == ["a", "b"]
    assert not them.failed
    assert them.stats().failed == 0


def test_the_figures_add_up() -> None:
    stats = result().stats()
    assert (stats.n, stats.ok, stats.fallback, stats.failed, stats.cancelled) == (6, 3, 0, 1, 2)
    assert stats.items_per_s == 2.0
    assert stats.speedup == 1.5
    assert (stats.p50_s, stats.max_s) == (1.0, 1.0)


def test_an_empty_batch_has_figures_too() -> None:
    them: BatchResult[Any] = BatchResult.assemble([], 0)
    assert them == []
    assert them.stats().n == 0
    them.raise_for("raise")


def test_raise_raises_the_errors_by_index_with_the_finished_results() -> None:
    them = result()
    with pytest.raises(BatchError, match=r"parse: 1 of 6 items failed.*item 3.*2 cancelled: stopped") as caught:
        them.raise_for("raise")
    assert list(caught.value.errors) == [3]
    assert caught.value.results is them
    assert caught.value.results[:3] == ["a", "b", "c"]


def test_collect_never_raises() -> None:
    result("collect").raise_for("collect")
    result("collect").raise_for("collect", max_failures=0)


def test_skip_raises_only_for_a_batch_that_was_stopped() -> None:
    whole: BatchResult[Any] = BatchResult.assemble([Done(0, ["a", None], failed(1))], 2, on_error="skip")
    whole.raise_for("skip")
    with pytest.raises(BatchError):
        whole.raise_for("skip", max_failures=0)
    with pytest.raises(BatchError):
        result("skip").raise_for("skip")


def test_failures_within_the_budget_are_no_error() -> None:
    whole: BatchResult[Any] = BatchResult.assemble([Done(0, ["a", None], failed(1))], 2)
    whole.raise_for("raise", max_failures=1)
    whole.raise_for("raise", max_failures=0.5)
    with pytest.raises(BatchError):
        whole.raise_for("raise", max_failures=0.4)


def test_a_batch_that_was_cancelled_without_a_failure_raises_too() -> None:
    cut: BatchResult[Any] = BatchResult.assemble([Done(0, ["a"])], 3, reason="the deadline of 1 s has passed")
    with pytest.raises(BatchError, match="deadline") as caught:
        cut.raise_for("raise")
    assert isinstance(caught.value.errors[1], ItemCancelled)


def test_a_result_without_its_items_says_so_when_asked_to_run_them_again() -> None:
    with pytest.raises(ValueError, match="does not hold its items"):
        result().retry_failed()
    whole: BatchResult[Any] = BatchResult.assemble([Done(0, ["a"])], 1)
    assert whole.retry_failed() is whole


def test_a_copy_has_values_of_its_own_and_the_same_outcomes() -> None:
    them: BatchResult[Any] = BatchResult.assemble([Done(0, [["a"], None], failed(1))], 2)
    twin = copy.deepcopy(them)
    twin[0].append("b")
    assert them == [["a"], None]
    assert type(twin) is BatchResult
    assert [outcome.status for outcome in twin.items] == ["ok", "failed"]
