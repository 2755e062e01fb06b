"""Permits in Redis give the starts that those in memory give, and remember what was booked. On their own clock."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from flowq.batch.inline.permits import InlinePermits
from flowq.batch.policies.rate import Charge, Rate
from flowq.engine.connection import Connections
from flowq.engine.limits.permits import MOST_PARKED, FleetPermits
from flowq.local import EmbeddedRedis
from flowq.settings import Settings
from tests.waiting import until

ALL = [Charge(0, "", 1.0)]


class Clock:
    now = 1000.0

    def us(self) -> int:
        return round(self.now * 1e6)

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def connections(redis_server: EmbeddedRedis, redis: Redis) -> Iterator[Connections]:
    connections = Connections(Settings(broker_url=redis_server.url))
    yield connections
    connections.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def seconds(permits: InlinePermits | FleetPermits, *indices: int) -> list[float]:
    return [permits.book(index, ALL)[0] for index in indices]


def fleet(connections: Connections, clock: Clock, *rates: Rate, **options: Any) -> FleetPermits:
    return FleetPermits(connections, "b-1", rates, plain=False, clock_us=clock.us, **options)


@pytest.mark.parametrize("seed", range(20))
def test_both_give_the_same_starts_whatever_happens(connections: Connections, clock: Clock, seed: int) -> None:
    rng = random.Random(seed)
    rates = [
        Rate(rng.choice([1, 10, 1000]), per=rng.choice([1, 60]), burst=rng.choice([None, 1, 5]))
        for _ in range(rng.choice([1, 2, 3]))
    ]
    here, there = InlinePermits(rates, {}, threading.Lock(), clock), fleet(connections, clock, *rates)
    of_items = [[Charge(i, rng.choice("ab"), rng.choice([1.0, 7.0])) for i in range(len(rates))] for _ in range(60)]
    for _ in range(300):
        clock.now += rng.choice([0, 0.001, 0.05, 0.1, 3])
        index = rng.randrange(60)
        charges = of_items[index]
        if rng.random() < 0.05:
            seconds = rng.choice([0.5, 20.0])
            here.pause(charges, seconds)
            there.pause(charges, seconds)
        else:
            (seconds, is_last), expected = there.book(index, charges), here.book(index, charges)
            assert (seconds, is_last) == (pytest.approx(expected[0], abs=0.001), expected[1])


def test_an_item_that_comes_again_keeps_its_start(connections: Connections, clock: Clock) -> None:
    permits = fleet(connections, clock, Rate(1, per=10, burst=1))
    assert seconds(permits, 0, 1, 2, 3) == [0, 10, 20, 30]
    clock.now += 9.5
    assert seconds(permits, 3, 1, 2) == [20.5, 0.5, 10.5]
    clock.now += 20
    assert seconds(permits, 3, 4) == [0.5, 10.5]


def test_a_start_is_kept_until_it_is_near(connections: Connections, clock: Clock) -> None:
    permits, here = (
        fleet(connections, clock, Rate(1, burst=1)),
        InlinePermits([Rate(1, burst=1)], {}, threading.Lock(), clock),
    )
    for one in (permits, here):
        clock.now = 1000.0
        assert seconds(one, 0, 1) == [0, 1]
        clock.now += 0.5
        assert one.book(1, ALL) == (0.5, False)
        clock.now += 0.45
        assert seconds(one, 1) == [pytest.approx(0.05)]
        assert seconds(one, 1) == [pytest.approx(1.05)], "it was taken: this is another start"


def test_a_start_that_nobody_came_for_is_lost(connections: Connections, clock: Clock) -> None:
    permits = fleet(connections, clock, Rate(1, per=10, burst=1))
    for index in range(4):
        permits.book(index, ALL)
    clock.now += 1000
    assert seconds(permits, 0, 1, 2, 3) == [0, 10, 20, 30]


def test_a_pause_moves_what_was_booked(connections: Connections, clock: Clock) -> None:
    permits = fleet(connections, clock, Rate(1, per=10, burst=1))
    assert seconds(permits, 0, 1, 2) == [0, 10, 20]
    permits.pause(ALL, 60)
    assert seconds(permits, 1, 2) == [60, 70]


def test_names_are_shared_by_batches_and_batches_without_share_nothing(connections: Connections, clock: Clock) -> None:
    def asked(batch_id: str, rate: Rate) -> float:
        return FleetPermits(connections, batch_id, [rate], plain=False, clock_us=clock.us).book(0, ALL)[0]

    assert [asked(name, Rate(1, burst=1)) for name in ("b-1", "b-2")] == [0, 0]
    assert [asked(name, Rate(1, burst=1, name="service")) for name in ("b-1", "b-2")] == [0, 1]


def test_fast_rates_take_permits_for_ten_milliseconds_at_once(connections: Connections, clock: Clock) -> None:
    permits = FleetPermits(connections, "b-1", [Rate(1000)], plain=True, clock_us=clock.us)
    waits = seconds(permits, *range(60))
    assert sum(wait > 0 for wait in waits) <= 4, "one call for ten items, and no wait within the burst"
    assert max(waits) <= 0.04


def test_nothing_is_left_in_redis_for_ever(connections: Connections, redis: Redis, clock: Clock) -> None:
    permits = fleet(connections, clock, Rate(1, per=10, burst=1))
    permits.book(0, ALL)
    permits.book(1, ALL)
    permits.pause(ALL, 5)
    assert len(list(redis.scan_iter())) == 2
    assert all(redis.pttl(key) > 0 for key in redis.scan_iter())


def test_whether_items_may_wait_by_themselves_is_as_it_was_while_redis_does_not_answer(clock: Clock) -> None:
    with EmbeddedRedis() as server:
        connections = Connections(Settings(broker_url=server.url))
        asked_before, asked_never = (fleet(connections, clock, Rate(1, per=1)) for _ in range(2))
        parked = connections.keys.of("b-1", "parked")
        connections.redis.hset(parked, mapping={str(index): "" for index in range(MOST_PARKED)})
        assert not asked_before.may_park()
        server.kill()
        until(lambda: time.monotonic() >= asked_before._parked_until, 5, "it is asked again")
        assert not asked_before.may_park()
        assert asked_never.may_park()
        connections.close()
