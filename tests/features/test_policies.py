"""Rows 25, 29, 37, 53, 56: what a batch says about pace, failing services, and results that are there already."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import policed

pytestmark = pytest.mark.usefixtures("executor")


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "noted")


def keys(n: int) -> list[dict[str, Any]]:
    return [{"key": str(i)} for i in range(n)]


def starts(path: str) -> list[float]:
    return [at for _, _, at in policed.noted(path)]


def test_row_025_retry_after_sets_the_wait_and_pauses_the_rate_it_ran_under(path: str) -> None:
    first = [{"key": "0", "raises": flowq.RetryAfter(0.5)}]
    result = policed.Call(path, max_retries=2, rate="1000/s", chunk_size=10).map(first + keys(10)[1:])
    assert [outcome.attempts for outcome in result.items] == [2] + [1] * 9
    raised = starts(path)[0]
    assert [at - raised for at in starts(path)[1:] if at - raised < 0.5] == []


def test_row_029_a_breaker_opens_and_lets_one_item_try_before_it_closes(path: str) -> None:
    bad = [{"key": str(i), "raises": ConnectionError("down")} for i in range(3)]
    node = policed.Call(path, breaker=flowq.Breaker(failures=3, reset=0.5), on_error="collect", chunk_size=20)
    result = node.map(bad + keys(10)[3:])
    assert [outcome.status for outcome in result.items] == ["failed"] * 3 + ["ok"] * 7
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts(path))]
    assert sum(pause >= 0.5 for pause in pauses) == 1


@pytest.mark.parametrize("kind", [policed.Call, policed.AsyncCall])
def test_row_037_one_keyword_caps_the_items_in_flight(path: str, kind: Any) -> None:
    assert kind(path, seconds=0.02, concurrency=2).map(keys(20)) == [str(i) for i in range(20)]
    assert policed.most_at_once(path) == 2


@pytest.mark.parametrize("rate", ["20/s", flowq.Rate(10, per=0.5, burst=1), ["20/s", "600/min"]])
def test_row_053_a_rate_is_one_limit_wherever_items_run(path: str, rate: Any) -> None:
    limit = 10 if isinstance(rate, list) else 20
    policed.Call(path, rate=rate).map(keys(8))
    began = starts(path)
    assert began[-1] - began[0] >= 6.5 / limit


def test_row_056_a_cache_goes_by_the_items_keys(path: str) -> None:
    cache = flowq.Cache(60, name=uuid.uuid4().hex)
    for _ in range(2):
        assert policed.Call(path, cache=cache).map(keys(5)) == ["0", "1", "2", "3", "4"]
    assert len(starts(path)) == 5


def test_row_056_a_registered_function_of_the_item_is_a_key_on_workers_too() -> None:
    result = policed.rounded.map([10, 11, 25, 12, 20])
    assert result == [10, 10, 25, 10, 25]
    assert [outcome.attempts for outcome in policed.rounded.map([13, 29]).items] == [0, 0]
    assert [outcome.key for outcome in result.items] == ["1", "1", "2", "1", "2"]


def test_row_053_a_function_that_nobody_registered_stays_here(executor: str) -> None:
    node = policed.Call("unused", rate=flowq.Rate(100, key=lambda item: item))
    if executor == "workers":
        with pytest.raises(flowq.FlowqError, match="lambda"):
            node.map(keys(1))
