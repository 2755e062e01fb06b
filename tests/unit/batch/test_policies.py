"""Rate, breaker and cache in this process, sync and async alike: what items see of them."""

from __future__ import annotations

import copy
import itertools
import threading
import uuid
from time import perf_counter
from typing import Any

import pytest

from flowq.batch import BatchFlow, BatchNode, Breaker, Cache, ParallelBatchNode, Rate, parallel_batch_node
from flowq.batch.inline.circuit import ASK_AGAIN_S, InlineCircuit
from flowq.batch.policies.breaker import Breaker as BreakerValue
from flowq.core import RetryAfter
from flowq.errors import CircuitOpen


class Doubles(ParallelBatchNode[Any, Any]):
    """Notes when each item began; raises what ``failing`` has for it, as often as that says."""

    def __init__(self, *args: Any, failing: dict[Any, list[Exception]] | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.failing = failing or {}
        self.began: list[tuple[Any, float]] = []

    def key_of(self, item: Any) -> str:
        return str(item)

    def exec(self, item: Any) -> Any:
        self.began.append((item, perf_counter()))
        if self.failing.get(item):
            raise self.failing[item].pop()
        return [item, item]


class AsyncDoubles(Doubles):
    async def exec(self, item: Any) -> Any:
        return Doubles.exec(self, item)


KINDS = pytest.mark.parametrize("cls", [Doubles, AsyncDoubles])


def gaps(node: Doubles) -> list[float]:
    starts = [began for _, began in node.began]
    return [later - earlier for earlier, later in itertools.pairwise(starts)]


@KINDS
def test_a_rate_holds_for_tries_too(cls: type[Doubles]) -> None:
    node = cls(3, rate=Rate(50, burst=1), failing={1: [ValueError(), ValueError()]})
    began = perf_counter()
    assert node.map([0, 1, 2]) == [[0, 0], [1, 1], [2, 2]]
    assert perf_counter() - began >= 0.08, "five tries"


@KINDS
def test_of_several_rates_the_keyed_one_slows_its_key_only(cls: type[Doubles]) -> None:
    node = cls(rate=["1000/s", Rate(20, burst=1, key=lambda item: (item % 2 and "odd") or f"even {item}")])
    asked_at = perf_counter()
    node.map(range(6))
    # Not from the first one's start: on a busy machine that may come late after its permit.
    assert max(began for item, began in node.began if item % 2) - asked_at >= 0.1


@KINDS
def test_retry_after_pauses_its_key_for_every_item(cls: type[Doubles]) -> None:
    node = cls(2, rate="1000/s", failing={0: [RetryAfter(0.2)]}, concurrency=1)
    node.map(range(4))
    # An async item may be on its way already when the first one raises.
    assert sum(gap >= 0.15 for gap in gaps(node)) == 1
    assert max(began for _, began in node.began) - node.began[0][1] >= 0.2


@KINDS
def test_a_key_that_raises_fails_its_item_alone(cls: type[Doubles]) -> None:
    node = cls(rate=Rate(1000, key=lambda item: 1 / item), on_error="collect")
    result = node.map([1, 0, 2])
    assert [outcome.status for outcome in result.items] == ["ok", "failed", "ok"]
    assert isinstance(result.errors[1], ZeroDivisionError)
    assert result.items[1].attempts == 0


@KINDS
def test_a_breaker_opens_after_failures_in_a_row_and_tries_one_item_before_it_closes(cls: type[Doubles]) -> None:
    down: dict[Any, list[Exception]] = {item: [ConnectionError()] for item in range(3)}
    node = cls(breaker=Breaker(failures=3, reset=0.15), failing=down, on_error="collect", concurrency=1)
    result = node.map(range(6))
    assert [outcome.status for outcome in result.items] == ["failed"] * 3 + ["ok"] * 3
    assert max(gaps(node)) >= 0.14
    assert sum(gap >= 0.14 for gap in gaps(node)) == 1


@KINDS
def test_a_breaker_that_fails_fast_costs_no_try_and_leaves_the_fallback(cls: type[Doubles]) -> None:
    down: dict[Any, list[Exception]] = {0: [ConnectionError()]}
    options: dict[str, Any] = {"on_error": "collect", "concurrency": 1}
    node = cls(breaker=Breaker(failures=1, reset=60, fail_fast=True), failing=down, **options)
    result = node.map(range(3))
    assert [type(result.errors[index]) for index in range(3)] == [ConnectionError, CircuitOpen, CircuitOpen]
    assert [outcome.attempts for outcome in result.items] == [1, 0, 0]
    assert len(node.began) == 1


def test_a_breaker_is_shared_by_name() -> None:
    name = uuid.uuid4().hex
    breaker = Breaker(failures=1, reset=60, fail_fast=True, name=name)
    Doubles(breaker=breaker, failing={0: [ConnectionError()]}, on_error="collect").map([0])
    assert isinstance(Doubles(breaker=breaker, on_error="collect").map([1]).errors[0], CircuitOpen)
    assert Doubles(breaker=Breaker(failures=1, reset=60, fail_fast=True)).map([1]) == [[1, 1]]


def test_what_is_no_failure_of_the_service_leaves_the_breaker_closed() -> None:
    breaker = Breaker(failures=2, trip_on=ConnectionError)
    assert breaker.counts(ConnectionResetError())
    assert not breaker.counts(ValueError())
    assert not Breaker().counts(RetryAfter(1))


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_a_half_open_circuit_lets_one_try_through_and_waits_for_no_lost_one() -> None:
    clock = Clock()
    circuit = InlineCircuit(BreakerValue(failures=2, reset=10), clock)
    circuit.failed("a")
    circuit.succeeded("b")
    circuit.failed("c")
    assert circuit.ask("d") == 0.0
    circuit.failed("d")
    assert circuit.ask("e") == 10.0
    circuit.succeeded("from before")
    assert circuit.ask("e") == 10.0
    clock.now += 10
    assert circuit.ask("probe") == 0.0
    assert circuit.ask("e") == ASK_AGAIN_S
    clock.now += 10
    assert circuit.ask("next probe") == 0.0, "the first one never came back"
    circuit.succeeded("probe")
    assert circuit.ask("e") == ASK_AGAIN_S
    circuit.failed("next probe")
    assert circuit.ask("e") == 10.0
    clock.now += 10
    assert circuit.ask("third probe") == 0.0
    circuit.succeeded("third probe")
    assert circuit.ask("e") == 0.0


@KINDS
def test_a_result_is_used_again_and_is_the_takers_own(cls: type[Doubles]) -> None:
    cache = Cache(60, name=uuid.uuid4().hex)
    first, second = cls(cache=cache), cls(cache=cache)
    result = first.map([1, 2])
    result[0].append("changed")
    again = second.map([2, 1, 3])
    assert again == [[2, 2], [1, 1], [3, 3]]
    assert [item for item, _ in second.began] == [3]
    assert [outcome.attempts for outcome in again.items] == [0, 0, 1]


@KINDS
def test_failures_are_not_cached(cls: type[Doubles]) -> None:
    cache = Cache(60, name=uuid.uuid4().hex)
    assert cls(cache=cache, failing={1: [ValueError()]}, on_error="collect").map([1]) == [None]
    assert cls(cache=cache).map([1]) == [[1, 1]]


def test_a_result_is_forgotten_after_its_time() -> None:
    cache = Cache(0.01, name=uuid.uuid4().hex)
    Doubles(cache=cache).map([1])
    until = perf_counter() + 0.02
    while perf_counter() < until:
        pass
    node = Doubles(cache=cache)
    node.map([1])
    assert len(node.began) == 1


def test_nodes_share_results_only_if_they_are_made_alike() -> None:
    scopes = [Cache(1).scope(node) for node in (Doubles(rate="1/s"), Doubles(), AsyncDoubles(), Doubles(failing={}))]
    assert scopes[0] == scopes[1]
    assert len(set(scopes)) == 3


def of_function(times: int) -> Any:
    def multiplied(item: int) -> int:
        return item * times

    return BatchNode.of(multiplied, key=str, cache=60)


def of_decorator(times: int) -> Any:
    @parallel_batch_node(key=str, cache=60)
    def multiplied(item: int) -> int:
        return item * times

    return multiplied


def of_class(times: int) -> Any:
    class Multiplied(ParallelBatchNode[int, int]):
        factor = times

        def exec(self, item: int) -> int:
            return item * self.factor

    return Multiplied(key=str, cache=60)


def of_wrapped(times: int) -> Any:
    def twice(item: int) -> int:
        return item * 2

    def thrice(item: int) -> int:
        return item * 3

    def wrap(fn: Any) -> Any:
        def wrapper(item: int) -> Any:
            return fn(item)

        return wrapper

    return BatchNode.of(wrap(twice if times == 2 else thrice), key=str, cache=60)


FACTORIES = pytest.mark.parametrize("made", [of_function, of_decorator, of_class, of_wrapped])


@FACTORIES
def test_what_a_factory_makes_of_other_values_shares_no_results(made: Any) -> None:
    assert [list(made(times).map([1, 2])) for times in (2, 3, 2)] == [[2, 4], [3, 6], [2, 4]]


@FACTORIES
def test_what_a_factory_makes_of_the_same_shares_results(made: Any) -> None:
    made(5).map([1])
    assert made(5).map([1]).items[0].attempts == 0


def test_a_function_over_what_is_no_data_shares_results_with_its_own_node_alone() -> None:
    def made() -> Any:
        lock = threading.Lock()

        @parallel_batch_node(key=str, cache=60)
        def locked(item: int) -> bool:
            return lock.locked()

        return locked

    node = made()
    node.map([1])
    assert [one.map([1]).items[0].attempts for one in (node, copy.copy(node), made())] == [0, 0, 1]


@pytest.mark.parametrize("given", ["data", threading.Lock()])
def test_nodes_with_other_params_share_no_results(given: Any) -> None:
    class Named(Doubles):
        def exec(self, item: Any) -> Any:
            return self.params["name"]

    node = Named(cache=60)
    for name in ("a", "b"):
        node.set_params({"name": name, "given": given})
        assert node.map([1]) == [name]


@KINDS
def test_an_item_whose_key_is_none_has_no_cached_result(cls: type[Doubles]) -> None:
    node = cls(cache=Cache(60, name=uuid.uuid4().hex), key=lambda item: None if item < 3 else "high")
    assert node.map([1, 2, 3]) == [[1, 1], [2, 2], [3, 3]]
    assert node.map([2, 1, 3]) == [[2, 2], [1, 1], [3, 3]]
    assert [item for item, _ in node.began] == [1, 2, 3, 2, 1]


def test_a_cache_needs_keys_and_a_batch_flow_has_none() -> None:
    with pytest.raises(ValueError, match="key="):
        ParallelBatchNode(cache=60)
    with pytest.raises(ValueError, match="BatchFlow"):
        BatchFlow(cache=60, key=str)
