"""The network between Redis and everybody else fails for ten seconds, under load. Redis itself goes on.

Connections are reset and refused, or carry nothing and stay open, some of them for good.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import flowq
from flowq.local import EmbeddedRedis
from tests.chaos.exactness import assert_once_each, assert_values
from tests.chaos.fleet import connect, new_cluster, processes_of
from tests.chaos.load import path_in
from tests.chaos.witness import AsyncWitnessed, Witnessed, executions, times_run, value_of
from tests.proxy import Proxy
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

AWAY_S = 10.0
N = 3000
WORKERS, SLOTS = 2, 2


@dataclass(frozen=True)
class Failure:
    """What happens to the network, and how soon after its return work must go on."""

    strike: Callable[[Proxy], None]
    resumes_within_s: float


FAILURES = {
    # Workers look for Redis every two seconds; the rest is for a busy machine.
    "reset": Failure(Proxy.cut, 10.0),
    "silent": Failure(Proxy.hold, 10.0),
    # Nobody is told: a call is given up after 5 s, a wait for messages after 6 to 11 s, and a worker's main process has
    # several connections, one of which it tries after the other.
    "lost": Failure(Proxy.lose, 30.0),
}


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with EmbeddedRedis(port=0) as server, Proxy(int(server.redis_url.rpartition(":")[2].partition("/")[0])) as proxy:
        yield proxy


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES.keys())
def test_a_network_that_fails_for_ten_seconds_costs_seconds_and_no_item(
    proxy: Proxy, tmp_path: Path, failure: Failure
) -> None:
    oracle = path_in(tmp_path)
    with new_cluster(workers=WORKERS, slots=SLOTS, broker_url=proxy.url) as cluster:
        before = until(lambda: processes(cluster), 10, "two main processes with two children each")
        nodes = (Witnessed(oracle, 0.008), AsyncWitnessed(oracle, 0.5))
        handles = [cluster.executor.submit(node.job(range(N))) for node in nodes]
        until(lambda: all(handle.progress().done > N // 8 for handle in handles), 30, "work is under way")
        failure.strike(proxy)
        threading.Event().wait(AWAY_S)  # how long it fails is what this test is about
        stood = len(executions(oracle))
        proxy.mend()
        back_at = time.monotonic()
        until(lambda: len(executions(oracle)) > stood, 60, "items are begun again")
        resumed_s = time.monotonic() - back_at
        results = [handle.result(timeout=120) for handle in handles]
        connections = connect(cluster)
        states = [assert_once_each(connections, handle.id, N) for handle in handles]
        connections.close()
        again = sum(count - 1 for count in times_run(oracle).values())
        print(
            f"\n{2 * N:,} items in {max(state.seconds for state in states):.1f} s, {AWAY_S:g} s of them without Redis; "
            f"the next item began {resumed_s:.2f} s after its return; {again} items ran twice; losses "
            f"{sum(state.losses for state in states)}, crashes {sum(state.crashes for state in states)}"
        )
        # As many of them work as before, the very same.
        assert processes(cluster) == before
        began = len(executions(oracle))

        def all_work() -> bool:
            more = cluster.executor.submit(Witnessed(oracle, 0.05).job(range(100)))
            assert more.result(timeout=30) == [value_of(item) for item in range(100)]
            return len({one.pid for one in executions(oracle)[began:]}) == WORKERS * SLOTS

        until(all_work, 30, "every process takes items again")
    for result in results:
        assert_values(result, [value_of(item) for item in range(N)])
    assert resumed_s < failure.resumes_within_s
    assert {state.crashes for state in states} == {0}


def processes(cluster: flowq.LocalCluster) -> list[int]:
    """The pids of the workers' main processes and children, once all are there; else none."""
    found = sorted(process.pid for worker in cluster.workers for process in processes_of(worker))
    return found if len(found) == WORKERS * (1 + SLOTS) else []
