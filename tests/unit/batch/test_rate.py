"""Rates: what they refuse, when starts may be, and what a key, a weight and a pause change. On a clock of its own."""

from __future__ import annotations

import heapq
import itertools
import math
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from flowq.batch import ParallelBatchNode, Rate
from flowq.batch.inline.permits import InlinePermits
from flowq.batch.policies.rate import Charge, Charges

INDICES = itertools.count()


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def permits(clock: Clock, *rates: Rate) -> InlinePermits:
    return InlinePermits(rates, {}, threading.Lock(), clock)


def waits(permits: InlinePermits, n: int, charges: Sequence[Charge] = (Charge(0, "", 1.0),)) -> list[float]:
    """Seconds from now until each of *n* items starts, that come at once and ask again when they are told to."""
    clock: Any = permits._clock
    began, starts = clock.now, []
    asking = [(began, next(INDICES)) for _ in range(n)]
    while asking:
        clock.now, index = heapq.heappop(asking)
        seconds, is_last = permits.book(index, charges)
        if is_last:
            starts.append(round(clock.now + seconds - began, 6))
        else:
            heapq.heappush(asking, (clock.now + seconds, index))
    return sorted(starts)


@pytest.mark.parametrize(
    "wrong", [{"limit": 0}, {"limit": -1}, {"limit": math.inf}, {"limit": 1, "per": 0}, {"limit": 1, "burst": 0.5}]
)
def test_a_rate_that_lets_nothing_through_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"rate|burst"):
        Rate(**wrong)


@pytest.mark.parametrize("wrong", [{"key": 3}, {"weight": []}])
def test_a_key_is_a_function_or_the_name_of_a_method(wrong: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        Rate(1, **wrong)


def test_starts_are_spaced_evenly() -> None:
    assert waits(permits(Clock(), Rate(10, burst=1)), 4) == [0.0, 0.1, 0.2, 0.3]


def test_a_burst_comes_at_once_and_is_saved_up_again() -> None:
    clock = Clock()
    limit = permits(clock, Rate(10, burst=3))
    assert waits(limit, 5) == [0.0, 0.0, 0.0, 0.1, 0.2]
    clock.now += 10
    assert waits(limit, 4) == [0.0, 0.0, 0.0, 0.1]


def test_a_late_start_is_made_up_for_by_twenty_milliseconds_at_most() -> None:
    clock = Clock()
    limit = permits(clock, Rate(1000))
    assert waits(limit, 22)[-3:] == [0.0, 0.001, 0.002]
    clock.now += 60
    assert waits(limit, 22)[-3:] == [0.0, 0.001, 0.002]


def test_a_weight_takes_more_of_the_limit_and_one_above_the_burst_is_paid_for_afterwards() -> None:
    limit = permits(Clock(), Rate(10, burst=2))
    heavy = [Charge(0, "", 5.0)]
    assert waits(limit, 3, heavy) == [0.0, 0.5, 1.0]


def test_keys_have_limits_of_their_own() -> None:
    limit = permits(Clock(), Rate(10, burst=1))
    assert waits(limit, 2, [Charge(0, "a", 1.0)]) == [0.0, 0.1]
    assert waits(limit, 2, [Charge(0, "b", 1.0)]) == [0.0, 0.1]


def test_of_several_limits_all_hold() -> None:
    limit = permits(Clock(), Rate(10, burst=1), Rate(3, per=1, burst=3))
    both = [Charge(0, "", 1.0), Charge(1, "", 1.0)]
    assert waits(limit, 6, both) == [0.0, 0.1, 0.2, 0.333333, 0.666667, 1.0]


def test_a_key_that_has_to_wait_takes_nothing_of_the_rate_it_shares_until_its_turn() -> None:
    limit = permits(Clock(), Rate(10, burst=1), Rate(1, burst=1))
    slow, quick = [Charge(0, "", 1.0), Charge(1, "slow", 1.0)], [Charge(0, "", 1.0)]
    for index in range(30):
        limit.book(-index, slow)
    assert limit.book(next(INDICES), quick)[0] <= 0.11


def test_in_no_second_are_there_more_than_the_limit_and_the_burst() -> None:
    clock = Clock()
    limit = permits(clock, Rate(100))
    starts: list[float] = []
    for step in range(2000):
        clock.now += (0.0, 0.003, 0.04, 0.001)[step % 4]
        starts.append(clock.now + limit.book(step, [Charge(0, "", 1.0)])[0])
    assert max(sum(start <= one < start + 1 for one in starts) for start in starts) <= 102


def test_a_pause_holds_for_its_key_alone_and_leaves_no_burst() -> None:
    limit = permits(Clock(), Rate(10, burst=5))
    limit.pause([Charge(0, "a", 1.0)], 30)
    assert waits(limit, 2, [Charge(0, "a", 1.0)]) == [30.0, 30.1]
    assert waits(limit, 2, [Charge(0, "b", 1.0)]) == [0.0, 0.0]


def test_charges_are_made_of_the_item_by_functions_or_methods() -> None:
    class Call(ParallelBatchNode[Any, Any]):
        def tenant(self, item: Any) -> str:
            return str(item["tenant"])

    rates = (Rate(1), Rate(1, key="tenant", weight=lambda item: item["tokens"]))
    charges = Charges(Call(), rates)
    assert charges.keyed
    assert charges.of({"tenant": 7, "tokens": 3}) == (Charge(0, "", 1.0), Charge(1, "7", 3.0))
