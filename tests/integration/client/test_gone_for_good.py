"""A Redis that does not come back, or holds the batch no longer: everything that is asked of it says so in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from redis import Redis

import flowq
from flowq.batch.executor import activated
from flowq.client.executor import CeleryExecutor
from flowq.local import EmbeddedRedis
from tests import nested, nodes
from tests.submitting import submit
from tests.waiting import until

LOOKS: dict[str, Callable[[Any], Any]] = {
    "state": lambda batch: batch.state(),
    "progress": lambda batch: batch.progress(),
    "held": lambda batch: batch.held(),
    "outcomes": lambda batch: list(batch.outcomes(inputs=True)),
    "failures": lambda batch: list(batch.failures()),
    "commits": lambda batch: list(batch.commits()),
}
RUN_LOOKS: dict[str, Callable[[Any], Any]] = {
    "state": lambda run: run.state(),
    "status": lambda run: run.status,
    "history": lambda run: run.history(),
    "awaits": lambda run: run.awaits(),
    "batches": lambda run: run.batches(),
}
WAITS: dict[str, Callable[[Any], Any]] = {
    "wait": lambda thing: thing.wait(),
    "result": lambda thing: thing.result(),
}
BATCH_WAITS = {
    **WAITS,
    "as_completed": lambda batch: list(batch.as_completed()),
    "results": lambda batch: list(batch.results()),
}
RUN_WAITS = {**WAITS, "events": lambda run: list(run.events())}


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as made:
        yield made


@pytest.fixture
def asked(server: EmbeddedRedis) -> Iterator[list[tuple[Any, dict[str, Callable[[Any], Any]]]]]:
    """A batch and a run that wait, each with all that can be asked about it."""
    executor = CeleryExecutor(flowq.Settings(broker_url=server.url))
    with activated(executor):
        yield [
            (submit(nodes.Square(), [1, 2]), LOOKS),
            (nested.six_steps("/dev/null").submit({"numbers": [1]}), RUN_LOOKS),
        ]
    executor.connections.close()


def test_who_asks_about_a_batch_or_a_run_while_redis_is_away_is_told_so(
    server: EmbeddedRedis, asked: list[tuple[Any, dict[str, Callable[[Any], Any]]]]
) -> None:
    server.kill()
    for thing, looks in asked:
        for look in looks.values():
            with pytest.raises(flowq.NoRedis, match="no Redis answers at"):
                look(thing)


def test_redis_goes_away_while_outcomes_are_read(
    server: EmbeddedRedis, asked: list[tuple[Any, dict[str, Callable[[Any], Any]]]]
) -> None:
    (batch, _), _ = asked
    reading = [batch.outcomes(), batch.failures()]
    server.kill()
    for one in reading:
        with pytest.raises(flowq.NoRedis):
            next(one)


def test_who_asks_about_a_batch_or_a_run_that_redis_does_not_hold_any_more_is_told_so(
    server: EmbeddedRedis, asked: list[tuple[Any, dict[str, Callable[[Any], Any]]]]
) -> None:
    with Redis.from_url(server.redis_url) as redis:
        redis.flushall()
    for thing, looks in asked:
        for look in looks.values():
            with pytest.raises(flowq.BatchLost, match=thing.id):
                look(thing)


ENDED = "the LocalCluster that it belonged to has ended.*read results before its `with` block ends"


def test_whatever_is_asked_of_a_cluster_that_has_ended_says_so_at_once() -> None:
    with flowq.LocalCluster(workers=0) as cluster:
        executor = cluster.executor
        batch, run = submit(nodes.Square(), [1, 2]), nested.six_steps("/dev/null").submit({"numbers": [1]})
    for thing, asks in ((batch, {**LOOKS, **BATCH_WAITS}), (run, {**RUN_LOOKS, **RUN_WAITS})):
        for ask in asks.values():
            with pytest.raises(flowq.NoRedis, match=ENDED):
                ask(thing)
    with activated(executor), pytest.raises(flowq.NoRedis, match=ENDED):
        nodes.Square().map([1])


def test_who_waits_as_its_cluster_ends_is_told_so() -> None:
    with ThreadPoolExecutor(8) as threads:
        with flowq.LocalCluster(workers=0) as cluster:
            batch, run = submit(nodes.Square(), [1, 2]), nested.six_steps("/dev/null").submit({"numbers": [1]})
            waits = [threads.submit(wait, batch) for wait in BATCH_WAITS.values()]
            waits += [threads.submit(wait, run) for wait in RUN_WAITS.values()]
            with Redis.from_url(cluster.redis.redis_url) as redis:
                until(lambda: len(redis.client_list()) > len(waits), 30, "all of them wait")
        for wait in waits:
            with pytest.raises(flowq.NoRedis, match=ENDED):
                wait.result(timeout=20)


def test_a_cluster_that_is_started_again_takes_batches_again() -> None:
    cluster = flowq.LocalCluster(workers=1, slots=1, imports=["tests.nodes"])
    for _ in range(2):
        with cluster:
            assert nodes.Square().map([3]) == [9]
