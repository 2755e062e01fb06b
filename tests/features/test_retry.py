"""Rows 19 to 28 and 30: tries, waits, fallbacks, and what becomes of an error."""

from __future__ import annotations

import time
from typing import Any

import pytest

import flowq
from flowq.compat import pocketflow
from tests.features.graphs import AsyncTries, Fails, FallsBack, Once, Patient, Refused, Tries
from tests.waiting import until


@pytest.mark.parametrize("kind", [Tries, AsyncTries])
def test_row_019_max_retries_counts_all_tries(executor: str, kind: type[Tries]) -> None:
    result = kind(max_retries=3, on_error="collect").map([0, 1, 2, 3])
    assert [(outcome.status, outcome.attempts) for outcome in result.items] == [
        ("ok", 1), ("ok", 2), ("ok", 3), ("failed", 3),
    ]  # fmt: skip
    assert (flowq.Node().max_retries, flowq.Node(max_retries=3).retry.attempts) == (1, 3)


def test_row_020_no_try_at_all_is_refused_but_in_classes_of_pocketflow(executor: str) -> None:
    for make in (flowq.Node, Tries):
        with pytest.raises(ValueError, match="max_retries"):
            make(max_retries=0)
    node = pocketflow.Node(max_retries=0)
    node.exec = lambda prep_res: 1 / 0  # type: ignore[assignment]
    assert node.run({}) is None


@pytest.mark.parametrize(
    ("where", "calls"), [("prep", "prep"), ("exec", "prep,exec,exec,exec"), ("post", "prep,exec,post")]
)
def test_row_021_only_exec_is_tried_again(executor: str, where: str, calls: str) -> None:
    with pytest.raises((Refused, flowq.BatchError)) as caught:
        Once(start=Fails(where, max_retries=3)).run({})
    error: Any = caught.value
    assert error.errors[0].args == (calls,)


def test_row_022_which_errors_are_worth_a_try_can_be_said(executor: str) -> None:
    def tries(**rules: Any) -> list[int]:
        result = Tries(retry=flowq.Retry(attempts=4, **rules), on_error="collect").map([1, 2, 3])
        return [outcome.attempts for outcome in result.items]

    assert tries() == [2, 3, 4]
    assert tries(retry_on=Refused) == [2, 1, 4]
    assert tries(retry_on=(Refused, LookupError)) == [2, 3, 4]
    assert tries(give_up_on=Refused) == [1, 3, 1]
    if executor == "inline":
        assert tries(retry_on=lambda exc: "3" in str(exc)) == [1, 1, 4]


def test_row_023_waits_grow_up_to_a_limit_and_vary() -> None:
    retry = flowq.Retry(attempts=9, wait=1, backoff=2, max_wait=5, jitter=0.5)
    error = ValueError()
    assert [retry.delay_s(error, attempt, rng=lambda: 0) for attempt in range(4)] == [1, 2, 4, 5]
    assert retry.delay_s(error, 3, rng=lambda: 1) == 5.5
    assert flowq.Node(max_retries=3, wait=0.5).retry == flowq.Retry(attempts=3, wait=0.5)
    with pytest.raises(ValueError, match="not both"):
        flowq.Node(max_retries=3, retry=retry)


def test_row_023_there_is_a_wait_between_tries_and_none_after_the_last(executor: str) -> None:
    began = time.perf_counter()
    Tries(max_retries=3, wait=0.1, on_error="collect").map([9])
    assert 0.2 <= time.perf_counter() - began < 5


def test_row_024_a_node_decides_on_every_failure(executor: str) -> None:
    result = Patient(max_retries=1, on_error="collect").map([0, 1, 2, 3, 5])
    assert [(outcome.status, outcome.attempts) for outcome in result.items] == [
        ("ok", 1), ("ok", 2), ("failed", 1), ("ok", 4), ("failed", 4),
    ]  # fmt: skip


@pytest.mark.parametrize("kind", [Tries, AsyncTries])
@pytest.mark.parametrize("options", [{}, {"in_flight": 5}])
def test_row_026_items_side_by_side_have_their_own_tries(
    executor: str, kind: type[Tries], options: dict[str, Any]
) -> None:
    assert kind(max_retries=6, **options).map([5, 4, 3, 2, 1, 0]) == [[n, n] for n in (5, 4, 3, 2, 1, 0)]


def test_row_027_a_fallback_takes_the_place_of_the_result(executor: str) -> None:
    result = FallsBack(max_retries=2).map([0, 1, 2])
    assert result == [[0, 0], [1, 1], "instead of 2: KeyError(2)"]
    assert [outcome.status for outcome in result.items] == ["ok", "ok", "fallback"]
    assert isinstance(result.items[2].error, KeyError)


def test_row_027_without_a_fallback_the_error_stands(executor: str) -> None:
    with pytest.raises(flowq.BatchError) as caught:
        Tries().map([1])
    assert caught.value.errors[0].args == (1,)


def test_row_028_a_node_raises_its_error_as_it_is() -> None:
    error = Refused("the very one")

    class Raises(flowq.Node):
        def exec(self, prep_res: Any) -> None:
            raise error

    with pytest.raises(Refused) as caught:
        flowq.Flow(start=Raises(max_retries=2)).run({})
    assert caught.value is error
    assert error.__notes__ == ["in node Raises, attempt 2"]


def test_row_028_a_note_says_which_item_and_which_try(executor: str) -> None:
    result = Tries(max_retries=2, on_error="collect").map([0, 3])
    error = result.errors[1]
    assert (type(error), error.args) == (Refused, (3,))
    assert error.__notes__ == ["in node Tries, item 1, attempt 2"]


def test_row_030_an_item_that_waits_long_for_its_next_try_holds_no_slot(cluster: flowq.LocalCluster) -> None:
    handle = Tries(max_retries=2, wait=600).submit([1, 1, 1, 0, 1])
    until(lambda: handle.progress().parked == 4 and handle.progress().ok == 1, timeout_s=20)
    assert handle.progress().running == 0
    assert Tries().map([0, 0]) == [[0, 0], [0, 0]]  # both slots are free for others
    handle.cancel()


def test_row_030_in_one_process_a_wait_holds_back_nobody_beside_it(inline: None) -> None:
    began = time.perf_counter()
    assert AsyncTries(max_retries=2, wait=0.2).map([1] * 20) == [[1, 1]] * 20
    assert time.perf_counter() - began < 2
