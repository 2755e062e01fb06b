"""The circuit in Redis goes the way of the circuit in memory, for any number of workers, with one probe."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from redis import Redis

from flowq.batch.inline.circuit import ASK_AGAIN_S, InlineCircuit
from flowq.batch.policies.breaker import Breaker
from flowq.engine.connection import Connections
from flowq.engine.limits.circuit import FleetCircuit
from flowq.engine.script import Script
from flowq.local import EmbeddedRedis
from flowq.settings import Settings
from tests.waiting import until


@pytest.fixture
def connections(redis_server: EmbeddedRedis, redis: Redis) -> Iterator[Connections]:
    connections = Connections(Settings(broker_url=redis_server.url))
    yield connections
    connections.close()


@pytest.mark.parametrize("seed", range(20))
def test_both_go_the_same_way_whatever_happens(connections: Connections, seed: int) -> None:
    rng = random.Random(seed)
    now_s = 1000.0
    breaker = Breaker(failures=rng.choice([1, 2, 4]), reset=rng.choice([1.0, 10.0]))
    here = InlineCircuit(breaker, lambda: now_s)
    ask, tell = Script(connections.redis, "circuit_ask"), Script(connections.redis, "circuit_tell")
    key = [connections.keys.circuit(None, "b-1")]
    reset_ms = int(breaker.reset * 1000)
    for _ in range(200):
        now_s += rng.choice([0.0, 0.5, 1.0, 10.0])
        ticket = rng.choice("abc")
        if rng.random() < 0.5:
            wait_ms, _, _ = ask(key, int(now_s * 1000), ticket, reset_ms, int(ASK_AGAIN_S * 1000))
            assert wait_ms / 1000 == pytest.approx(here.ask(ticket), abs=0.01)
        else:
            went = rng.choice(["ok", "failed", "failed"])
            (here.succeeded if went == "ok" else here.failed)(ticket)
            tell(key, int(now_s * 1000), ticket, went, breaker.failures, reset_ms)


def test_opened_by_one_it_is_open_for_all_within_a_moment_and_one_probe_closes_it(connections: Connections) -> None:
    breaker = Breaker(failures=2, reset=0.5)
    workers = [FleetCircuit(connections, "b-1", breaker) for _ in range(4)]
    assert [one.ask(f"first {i}") for i, one in enumerate(workers)] == [0.0] * 4
    workers[0].failed("first 0")
    workers[0].failed("second 0")
    assert workers[0].ask("third 0") > 0
    until(lambda: all(one.ask("later") > 0 for one in workers), 0.4, "nobody goes on")
    until(lambda: sum(one.ask(f"probe {i}") == 0 for i, one in enumerate(workers)) == 1, 2, "one is the probe")
    probe = next(one for one in workers if one._probe)
    probe.succeeded(probe._probe)
    until(lambda: all(one.ask("again") == 0 for one in workers), 3, "it is closed for all")


def test_it_is_forgotten_some_time_after_the_last_failure(connections: Connections, redis: Redis) -> None:
    circuit = FleetCircuit(connections, "b-1", Breaker(failures=1, reset=5))
    circuit.failed("a")
    (key,) = redis.scan_iter()
    assert 0 < redis.pttl(key) <= 3_600_000
