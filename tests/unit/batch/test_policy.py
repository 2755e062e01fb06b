"""The batch policy: what it refuses, and what its numbers mean."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from flowq.batch import BatchPolicy
from flowq.core import Retry


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_failures": -1},
        {"max_failures": 1.0},
        {"max_failures": 0.0},
        {"max_failures": 1.5},
        {"concurrency": 0},
        {"in_flight": 0},
        {"timeout": 0},
        {"deadline": -1},
        {"chunk_size": 0},
        {"chunk_size": "large"},
        {"on_error": "ignore"},
        {"rate": "fast"},
        {"rate": "0/s"},
        {"priority": 10},
        {"max_items": -1},
        {"tries": 3},
    ],
)
def test_a_value_that_no_batch_can_be_run_with_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BatchPolicy(**wrong)


@pytest.mark.parametrize("wrong", [100, 2.5, ["1/s", 100], {"limit": 1}])
def test_a_rate_that_says_no_time_is_one_error_with_the_way_to_write_it(wrong: Any) -> None:
    with pytest.raises(ValidationError, match='rate="') as raised:
        BatchPolicy(rate=wrong)
    assert raised.value.error_count() == 1


def test_a_sink_may_be_a_path(tmp_path: Path) -> None:
    assert BatchPolicy(sink=tmp_path).sink == str(tmp_path)  # type: ignore[arg-type]


def test_a_policy_cannot_be_changed() -> None:
    policy = BatchPolicy(retry=Retry(3))
    with pytest.raises(ValidationError):
        policy.timeout = 3  # type: ignore[misc]


def test_raise_puts_up_with_no_failure_unless_it_is_told_to() -> None:
    assert BatchPolicy().failure_budget() == (0, None)
    assert BatchPolicy(max_failures=3).failure_budget() == (3, None)
    assert BatchPolicy(max_failures=0.1).failure_budget() == (None, 0.1)


@pytest.mark.parametrize("on_error", ["collect", "skip"])
def test_collect_and_skip_put_up_with_any_number_unless_told_otherwise(on_error: Any) -> None:
    assert BatchPolicy(on_error=on_error).failures_allowed(10) == math.inf
    assert BatchPolicy(on_error=on_error, max_failures=0).failures_allowed(10) == 0


def test_a_share_is_counted_in_whole_items_and_judged_only_once_the_length_is_known() -> None:
    assert BatchPolicy(max_failures=0.05).failures_allowed(1000) == 50
    assert BatchPolicy(max_failures=0.29).failures_allowed(100) == 29
    assert BatchPolicy(max_failures=0.05).failures_allowed(None) == math.inf


@pytest.mark.parametrize(("rate", "per_s"), [("100/s", 100), ("30/min", 0.5), ("7200/h", 2), (" 2.5 / second ", 2.5)])
def test_a_rate_is_read_in_the_usual_spellings(rate: str, per_s: float) -> None:
    assert [one.per_s for one in BatchPolicy(rate=rate).rates()] == [per_s]


def test_blocking_items_run_side_by_side_in_one_process_only_on_demand() -> None:
    assert BatchPolicy().places(is_async=True) == 100
    assert BatchPolicy().places(is_async=False) == 1
    assert BatchPolicy(in_flight=8).places(is_async=False) == 8
