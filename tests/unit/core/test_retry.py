"""Retry: a pure decision."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowq.core import Retry, RetryAfter
from flowq.core.retry import LONGEST_WAIT_S
from flowq.errors import ItemTimeout
from flowq.registry import class_name


class Busy(Exception):
    def __init__(self, retry_after: Any) -> None:
        self.retry_after = retry_after


def waits(retry: Retry, exc: BaseException | None = None) -> list[float | None]:
    return [retry.delay_s(exc or ValueError(), attempt, rng=lambda: 0.5) for attempt in range(4)]


def test_one_attempt_is_the_default_and_gives_up_at_once() -> None:
    assert Retry().delay_s(ValueError(), 0) is None


def test_the_wait_grows_by_the_backoff_to_the_limit_and_jitter_comes_on_top() -> None:
    assert waits(Retry(attempts=9, wait=2)) == [2, 2, 2, 2]
    assert waits(Retry(attempts=9, wait=2, backoff=3, max_wait=10)) == [2, 6, 10, 10]
    assert waits(Retry(attempts=9, wait=2, backoff=3, max_wait=10, jitter=1)) == [2.5, 6.5, 10.5, 10.5]


def test_the_last_attempt_is_not_followed_by_another() -> None:
    assert waits(Retry(attempts=3)) == [0, 0, None, None]


@pytest.mark.parametrize(
    ("retry_on", "retried"),
    [(OSError, True), ((KeyError, OSError), True), (KeyError, False), (lambda exc: "net" in str(exc), True)],
)
def test_retry_on_is_a_class_a_tuple_or_a_predicate(retry_on: Any, retried: bool) -> None:
    delay_s = Retry(attempts=2, retry_on=retry_on).delay_s(ConnectionError("net"), 0)
    assert (delay_s is not None) is retried


def test_classes_are_kept_by_name_so_that_they_travel_and_still_match_subclasses() -> None:
    class Throttled(ConnectionError):
        pass

    retry = Retry(attempts=2, retry_on=(Throttled, "builtins:KeyError"))
    assert retry.retry_on == (class_name(Throttled), "builtins:KeyError")
    assert dataclasses.replace(retry, wait=1).retry_on == retry.retry_on
    assert [retry.delay_s(exc, 0) for exc in (Throttled(), KeyError(), ConnectionError())] == [0, 0, None]


@pytest.mark.parametrize("wrong", [3, (3,), int, (ValueError, int), None])
def test_a_filter_that_is_none_is_refused(wrong: Any) -> None:
    with pytest.raises(TypeError, match="retry_on takes exception classes"):
        Retry(retry_on=wrong)


def test_errors_of_flowq_match_by_the_names_that_earlier_releases_wrote() -> None:
    for name in ("flowq:RetryAfter", "flowq.core.retry:RetryAfter", "flowq.core.tries:RetryAfter"):
        assert Retry(attempts=2, give_up_on=name).delay_s(RetryAfter(1), 0) is None
        assert Retry(attempts=2, give_up_on=name).delay_s(ItemTimeout(1), 0) == 0.0


@pytest.mark.parametrize("give_up_on", [OSError, (KeyError, OSError), lambda exc: True])
def test_give_up_on_stands_over_retry_on(give_up_on: Any) -> None:
    assert Retry(attempts=2, give_up_on=give_up_on).delay_s(ConnectionError(), 0) is None


@pytest.mark.parametrize("exc", [KeyboardInterrupt(), SystemExit(), GeneratorExit()])
def test_only_exceptions_are_ever_retried(exc: BaseException) -> None:
    assert Retry(attempts=9, retry_on=BaseException).delay_s(exc, 0) is None


@pytest.mark.parametrize(
    ("asked", "delay_s"),
    [(30, 30), (1.5, 1.5), (0, 0), (timedelta(minutes=1), 60), ("soon", 2), (None, 2), (-1, 2), (True, 2)],
)
def test_a_sensible_retry_after_of_the_exception_stands_over_the_wait(asked: Any, delay_s: float) -> None:
    assert Retry(attempts=2, wait=2, max_wait=5).delay_s(Busy(asked), 0) == delay_s


def test_raising_retry_after_asks_for_a_retry_whatever_retry_on_says_but_within_the_attempts() -> None:
    retry = Retry(attempts=2, retry_on=KeyError)
    assert retry.delay_s(RetryAfter(3), 0) == 3
    assert retry.delay_s(RetryAfter(3), 1) is None
    assert Retry(attempts=2, give_up_on=RetryAfter).delay_s(RetryAfter(3), 0) is None
    assert str(RetryAfter(3, "busy")) == "retry after 3 s: busy"


@pytest.mark.parametrize(
    "wrong",
    [
        {"attempts": 0},
        {"attempts": True},
        {"attempts": 1.5},
        {"wait": -1},
        {"wait": float("nan")},
        {"wait": float("inf")},
        {"backoff": -2},
        {"jitter": -0.1},
        {"max_wait": -1},
    ],
)
def test_nonsense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Retry(**wrong)


@given(
    attempts=st.integers(1, 2000),
    wait=st.floats(0, 1e6),
    backoff=st.floats(0, 1e6),
    attempt=st.integers(0, 2000),
)
def test_a_delay_is_a_finite_number_of_seconds_or_none(
    attempts: int, wait: float, backoff: float, attempt: int
) -> None:
    delay_s = Retry(attempts=attempts, wait=wait, backoff=backoff).delay_s(ValueError(), attempt)
    assert (delay_s is None) is (attempt + 1 >= attempts)
    assert delay_s is None or 0 <= delay_s <= LONGEST_WAIT_S


def test_it_is_a_value() -> None:
    assert Retry(attempts=2) == Retry(attempts=2)
    with pytest.raises(dataclasses.FrozenInstanceError):
        Retry().attempts = 3  # type: ignore[misc]
