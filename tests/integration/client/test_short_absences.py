"""Redis is away for a moment at every command of who reads a batch or a run: each is sent again, and all is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import ConnectionPool
from redis.backoff import NoBackoff
from redis.connection import UnixDomainSocketConnection
from redis.exceptions import ConnectionError
from redis.retry import Retry

import flowq
from flowq.batch.executor import activated
from flowq.client.executor import CeleryExecutor
from flowq.engine import connection, patience
from flowq.engine.redis_client import PlainClient
from tests import nested, nodes

N = 40
VALUES = [item * item for item in range(N)]


class Breaking(UnixDomainSocketConnection):
    """Breaks at every command that is sent for the first time, once *breaks* is set."""

    breaks = False
    sent: set[bytes]

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        words = command if isinstance(command, bytes) else b"".join(command)
        if self.breaks and words not in self.sent:
            self.sent.add(words)
            self.disconnect()
            raise ConnectionError("broken by the test")
        super().send_packed_command(command, check_health=check_health)


@pytest.fixture
def breaking(cluster: flowq.LocalCluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Breaking]]:
    """The test's program has connections of its own to the shared workers' Redis, all of this class."""
    kind = type("BreakingHere", (Breaking,), {"sent": set()})
    pool = ConnectionPool(kind, path=str(cluster.redis.socket_path), retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(connection, "make_client", lambda url: PlainClient(connection_pool=pool))
    monkeypatch.setattr(patience, "AGAIN_S", 0.01)
    executor = CeleryExecutor(cluster.executor.settings)
    with activated(executor):
        yield kind
    executor.connections.close()


BATCH: dict[str, Callable[[Any], Any]] = {
    "result": lambda batch: list(batch.result(timeout=30)),
    "results": lambda batch: list(batch.results()),
    "as_completed": lambda batch: [one.output for one in sorted(batch.as_completed(), key=lambda one: one.index)],
}


@pytest.mark.parametrize("read", BATCH.values(), ids=BATCH.keys())
def test_a_batch_is_read_whole_over_connections_that_break(
    cluster: flowq.LocalCluster, breaking: type[Breaking], read: Callable[[Any], Any]
) -> None:
    batch = nodes.Square().submit(range(N))
    breaking.breaks = True
    assert read(batch) == VALUES
    breaking.sent.clear()
    assert read(batch) == VALUES, "also once it has ended"


STEPS = ["one", "two", "three", "Squares", "four", "five", "six", "SixSteps"]
RUN: dict[str, Callable[[Any], Any]] = {
    "result": lambda run: [step.node for step in run.result(timeout=30).steps],
    "events": lambda run: [step.node for step in run.events()],
}


@pytest.mark.parametrize("read", RUN.values(), ids=RUN.keys())
def test_a_run_is_read_whole_over_connections_that_break(
    cluster: flowq.LocalCluster, breaking: type[Breaking], read: Callable[[Any], Any]
) -> None:
    run = nested.six_steps("/dev/null").submit({"numbers": [1, 2, 3]})
    breaking.breaks = True
    assert read(run) == STEPS
    breaking.sent.clear()
    assert read(run) == STEPS, "also once it has ended"


def test_who_looks_for_a_batch_or_a_run_while_redis_is_away_is_told_so(
    cluster: flowq.LocalCluster, breaking: type[Breaking]
) -> None:
    breaking.breaks = True
    for look in (flowq.get_batch, flowq.get_run):
        breaking.sent.clear()
        with pytest.raises(flowq.NoRedis, match="no Redis answers at"):
            look("b-1234567890")


BATCH_ACTS: dict[str, Callable[[Any], Any]] = {
    "cancel": lambda batch: batch.cancel(),
    "pause": lambda batch: batch.pause(),
    "resume": lambda batch: batch.resume(),
    "retry_failed": lambda batch: batch.retry_failed(),
}
RUN_ACTS: dict[str, Callable[[Any], Any]] = {
    "cancel": lambda run: run.cancel(),
    "pause": lambda run: run.pause(),
    "resume": lambda run: run.resume(),
    "send": lambda run: run.send("event", 1),
}


def test_who_cancels_pauses_or_resumes_while_redis_is_away_is_told_so(
    cluster: flowq.LocalCluster, breaking: type[Breaking]
) -> None:
    batch, run = nodes.Sleepy().submit([20.0]), nested.six_steps("/dev/null", 20.0).submit({"numbers": [1]})
    breaking.breaks = True
    for thing, acts in ((batch, BATCH_ACTS), (run, RUN_ACTS)):
        for act in acts.values():
            breaking.sent.clear()
            with pytest.raises(flowq.NoRedis, match="no Redis answers at"):
                act(thing)
    breaking.breaks = False
    batch.cancel()
    run.cancel()


def test_a_run_that_has_not_ended_in_time_is_late_though_redis_is_away(
    cluster: flowq.LocalCluster, breaking: type[Breaking]
) -> None:
    run = nested.six_steps("/dev/null", 1.0).submit({"numbers": [1]})
    breaking.breaks = True
    with pytest.raises(TimeoutError, match=f"run {run.id} has not ended within 0.1 s: Redis does not answer"):
        run.result(timeout=0.1)
    breaking.breaks = False
    run.cancel()


def test_a_flow_goes_on_though_redis_is_away_as_its_next_batch_begins(
    cluster: flowq.LocalCluster, breaking: type[Breaking]
) -> None:
    assert nodes.Square().map(range(N)) == VALUES
    breaking.breaks = True
    assert nodes.Square().map(range(N)) == VALUES
    assert nodes.Square().map(item for item in range(N)) == VALUES
    assert nodes.Square().submit(range(N), key="over connections that break").result(timeout=30) == VALUES
    run = nested.six_steps("/dev/null").submit({"numbers": [2]}, key="over connections that break")
    assert RUN["result"](run) == STEPS
