"""Rates, breakers, caches and caps over several processes: what the executions themselves say."""

from __future__ import annotations

import time
import uuid
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import policed
from tests.nodes import Square
from tests.waiting import until

KINDS = pytest.mark.parametrize("kind", [policed.Call, policed.AsyncCall])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "noted")


def keys(*names: Any) -> list[dict[str, Any]]:
    return [{"key": str(name)} for name in names]


def starts(path: str) -> list[float]:
    return [at for _, _, at in policed.noted(path)]


@KINDS
def test_a_rate_holds_over_all_processes(cluster: flowq.LocalCluster, path: str, kind: Any) -> None:
    kind(path, seconds=0.005, rate="100/s").map(keys(*range(150)))
    began = starts(path)
    assert len(began) == 150
    assert began[-1] - began[0] >= 1.4
    assert policed.most_in(began, 1.0) <= 105
    assert len({pid for _, pid, _ in policed.noted(path)}) == 2


@KINDS
def test_who_waits_long_for_a_permit_holds_no_slot(cluster: flowq.LocalCluster, path: str, kind: Any) -> None:
    slow = kind(path, rate=flowq.Rate(1, per=2.2)).submit(keys(*range(2)))
    until(lambda: starts(path), 5, "the first one is there")
    assert Square().map(range(500)) == [i * i for i in range(500)]
    assert len(starts(path)) == 1, "the second one waits still"
    assert slow.result() == ["0", "1"]
    first, second = starts(path)
    assert second - first == pytest.approx(2.2, abs=0.4)


@KINDS
def test_a_key_without_permits_is_parked_and_the_others_go_on(
    cluster: flowq.LocalCluster, path: str, kind: Any
) -> None:
    node = kind(path, rate=flowq.Rate(1, per=2.2, key="service"))
    handle = node.submit(keys("a.1", "a.2", *"bcdefgh"))
    until(lambda: len(starts(path)) == 8, 2, "every key has had its first")
    assert handle.result() == ["a.1", "a.2", *"bcdefgh"]
    (first, second) = [at for key, _, at in policed.noted(path) if key.startswith("a.")]
    assert second - first == pytest.approx(2.2, abs=0.4)


def test_an_async_item_that_waits_for_its_key_holds_up_no_other(executor: str, path: str) -> None:
    rates: list[Any] = ["500/s", flowq.Rate(1, per=0.4, burst=1, key="service")]
    policed.AsyncCall(path, rate=rates).map(keys("a.1", "a.2", "a.3", "a.4", *range(30)))
    others = [at for key, _, at in policed.noted(path) if not key.startswith("a.")]
    assert starts(path)[-1] - starts(path)[0] >= 1.1
    assert others[-1] - starts(path)[0] < 0.5


@KINDS
def test_retry_after_pauses_its_key_on_all_workers(cluster: flowq.LocalCluster, path: str, kind: Any) -> None:
    asks = [{"key": "0", "raises": flowq.RetryAfter(1.5)}]
    result = kind(path, seconds=0.02, rate="200/s", max_retries=2).map(asks + keys(*range(1, 60)))
    assert result == [str(i) for i in range(60)]
    assert [outcome.attempts for outcome in result.items] == [2] + [1] * 59
    raised = starts(path)[0]
    # What had begun, or was about to, when it was raised, may be there.
    assert [round(at - raised, 2) for at in starts(path) if 0.15 < at - raised < 1.45] == []


@KINDS
def test_a_breaker_opened_on_one_worker_is_open_on_all(cluster: flowq.LocalCluster, path: str, kind: Any) -> None:
    down = Path(f"{path}.down")
    down.touch()
    # One item at a time in each process.
    node = kind(path, 0.01, breaker=flowq.Breaker(failures=3, reset=1.5), on_error="collect", in_flight=1, chunk_size=5)
    handle = node.submit(keys(*range(100)))
    until(lambda: len(starts(path)) >= 3, 5, "it has failed three times")
    opened = starts(path)[2]
    until(lambda: time.time() > opened + 1.2, 3, "nobody goes on")
    quiet = [round(at - opened, 2) for at in starts(path) if at > opened + 0.5]
    assert quiet == []
    down.unlink()
    result = handle.result()
    failed = [outcome for outcome in result.items if outcome.status == "failed"]
    assert 3 <= len(failed) <= 6
    assert {type(outcome.error) for outcome in failed} == {ConnectionError}
    after = [at for at in starts(path) if at > opened + 0.5]
    assert after[0] - opened >= 1.4
    assert len(starts(path)) == 100


@pytest.mark.parametrize("kind", [policed.CallMany, policed.AsyncCallMany])
@pytest.mark.parametrize("reset_s", [0.5, 1.5])  # what is waited for in the process, and what gives its slot away
def test_calls_of_many_items_probe_with_one_of_them(
    cluster: flowq.LocalCluster, path: str, kind: Any, reset_s: float
) -> None:
    breaker = flowq.Breaker(failures=3, reset=reset_s)
    result = kind(path, breaker=breaker, max_retries=3, chunk_size=20).map(keys(*range(20)))
    assert result == [str(i) for i in range(20)]
    sizes, began = [int(size) for size, _, _ in policed.noted(path)], starts(path)
    assert sizes[:2] == [20, 1]
    assert reset_s <= began[1] - began[0]
    assert began[-1] - began[0] < 4 * reset_s + 2, "where each item waits, it takes 20 times that"


def test_a_breaker_that_fails_fast_is_an_outcome(executor: str, path: str) -> None:
    Path(f"{path}.down").touch()
    breaker = flowq.Breaker(failures=1, reset=60, fail_fast=True)
    result = policed.Call(path, breaker=breaker, on_error="collect", chunk_size=20).map(keys(*range(20)))
    errors = [type(result.errors[index]) for index in range(20)]
    assert errors.count(flowq.CircuitOpen) >= 17
    assert set(errors) == {ConnectionError, flowq.CircuitOpen}
    assert {o.attempts for o in result.items if isinstance(o.error, flowq.CircuitOpen)} == {0}


@KINDS
def test_results_are_used_again_by_key_and_failures_are_not(executor: str, path: str, kind: Any) -> None:
    cache = flowq.Cache(60, name=uuid.uuid4().hex)
    bad = [{"key": "bad", "raises": ValueError("once")}]
    first = kind(path, cache=cache, on_error="collect").map(keys(*range(30)) + bad)
    assert [outcome.status for outcome in first.items] == ["ok"] * 30 + ["failed"]
    again = kind(path, cache=cache).map(keys(*reversed(range(30))) + bad)
    assert again == [*(str(i) for i in reversed(range(30))), "bad"]
    assert [outcome.attempts for outcome in again.items] == [0] * 30 + [1]
    assert len(starts(path)) == 32


def test_nodes_made_alike_share_results_and_others_do_not(executor: str, path: str) -> None:
    policed.Call(path, cache=60).map(keys(1))
    policed.Call(path, cache=90, rate="1000/s").map(keys(1))
    assert len(starts(path)) == 1
    policed.Call(path, seconds=0.001, cache=60).map(keys(1))
    assert len(starts(path)) == 2


def test_items_of_a_batch_flow_share_no_results_over_other_params(executor: str) -> None:
    shared: dict[str, Any] = {}
    policed.PriceLists(policed.Priced(cache=60)).run(shared)
    assert shared == {"of 1": [1, 2], "of 10": [10, 20], "of 100": [100, 200]}


def test_retry_after_pauses_its_own_key_where_there_are_keys(executor: str, path: str) -> None:
    rates: list[Any] = ["1000/s", flowq.Rate(1000, key="key_of")]
    asks = [{"key": "a", "raises": flowq.RetryAfter(0.6)}]
    policed.Call(path, rate=rates, max_retries=2, chunk_size=20, in_flight=2).map(asks + keys(*range(10)))
    others = [at for key, _, at in policed.noted(path) if key != "a"]
    assert others[-1] - starts(path)[0] < 0.5


def test_several_rates_hold_at_once_and_items_weigh(executor: str, path: str) -> None:
    rates: list[Any] = ["1000/s", flowq.Rate(40, burst=1, weight="weigh")]
    began = time.monotonic()
    policed.Weighed(path, rate=rates).map(keys(*range(5)))
    assert time.monotonic() - began >= 4 * 4 / 40


def test_a_name_is_one_limit_for_several_batches(executor: str, path: str) -> None:
    rate = flowq.Rate(20, burst=1, name=uuid.uuid4().hex)
    began = time.monotonic()
    handles = [policed.Call(path, rate=rate).submit(keys(*range(5))) for _ in range(2)]
    assert all(len(handle.result()) == 5 for handle in handles)
    assert time.monotonic() - began >= 9 / 20


def test_a_limit_is_the_fleets_also_for_batches_that_items_start(executor: str, path: str) -> None:
    assert policed.Nests(path, uuid.uuid4().hex).map(range(4)) == [3] * 4
    assert starts(path)[-1] - starts(path)[0] >= 10.5 / 20


@pytest.mark.parametrize(
    "options",
    [{"rate": "fast"}, {"rate": ["1/s", "0/s"]}, {"breaker": 5}, {"cache": -1}],
)
def test_what_says_nothing_sensible_is_refused_where_it_is_written(path: str, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rate|breaker|cache"):
        policed.Call(path, **options)


@KINDS
def test_no_more_items_than_the_cap_are_in_flight(cluster: flowq.LocalCluster, path: str, kind: Any) -> None:
    kind(path, seconds=0.02, concurrency=10, in_flight=8).map(keys(*range(200)))
    assert policed.most_at_once(path) <= 10
    assert policed.most_at_once(path) >= 8
