"""Redis is killed and comes back with all that it had acknowledged (AOF): work stops for as long, and no longer."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

import flowq
from flowq.client.handle import BatchHandle
from flowq.engine.patience import TROUBLE
from tests.chaos.exactness import assert_once_each, assert_values
from tests.chaos.fleet import DURABLE, LEASE_S, connect, new_cluster, processes_of
from tests.chaos.load import path_in
from tests.chaos.witness import AsyncWitnessed, Witnessed, executions, times_run, value_of
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(300)]

N = 20_000
DOWN_S = 3.0
RESTARTS = 5
RESUMES_WITHIN_S = 5.0
# Celery's consumer would look for Redis again after 2, 6, 12, 20, 30, 42 … s.
LONG_AWAY_S = 21.0
REPEATED_AT_MOST = 100


def test_redis_killed_five_times_costs_seconds_each_time_and_no_worker(tmp_path: Path) -> None:
    oracle = path_in(tmp_path)
    resumed: list[float] = []
    with new_cluster(workers=2, slots=2, redis_options=DURABLE) as cluster:
        before = until(lambda: processes(cluster, 2 * (1 + 2)), 10, "two main processes with two children each")
        nodes = (Witnessed(oracle, 0.004), AsyncWitnessed(oracle, 0.2))
        handles = [cluster.executor.submit(node.job(range(N // len(nodes)))) for node in nodes]
        for number in range(RESTARTS):
            await_more(handles, N * (number + 1) // (RESTARTS + 2))
            cluster.redis.kill()
            stay_away(DOWN_S)
            cluster.redis.restart()
            back_at = time.monotonic()
            await_more(handles, done(handles))
            resumed.append(time.monotonic() - back_at)
        results = [handle.result(timeout=120) for handle in handles]
        connections = connect(cluster)
        states = [assert_once_each(connections, handle.id, N // len(nodes)) for handle in handles]
        connections.close()
        after = until(lambda: processes(cluster, len(before)), 15, "as many processes as before")
        again = sum(count - 1 for count in times_run(oracle).values())
        losses, crashes = (sum(getattr(state, name) for state in states) for name in ("losses", "crashes"))
        print(
            f"\n{N:,} items, half of them async, in {max(state.seconds for state in states):.1f} s, Redis away for "
            f"{RESTARTS * DOWN_S:g} s of them; first outcomes {', '.join(f'{one:.2f}' for one in resumed)} s after its "
            f"return; {len(executions(oracle)):,} executions, {again} of them repeated; losses {losses}, crashes "
            f"{crashes}; {len(after)} processes, {len(set(after) - set(before))} of them new"
        )
        mains = [worker.process.exit_status for worker in cluster.workers]
    for result in results:
        assert_values(result, [value_of(item) for item in range(N // len(nodes))])
    assert mains == [None, None]
    assert max(resumed) < RESUMES_WITHIN_S
    assert crashes == 0
    assert again <= REPEATED_AT_MOST, "finished work waits for Redis"


def test_a_long_item_runs_once_though_redis_was_away_for_longer_than_its_lease(tmp_path: Path) -> None:
    oracle = path_in(tmp_path)
    with new_cluster(workers=2, slots=2, redis_options=DURABLE) as cluster:
        handles = [cluster.executor.submit(kind(oracle, 9.0).job([7])) for kind in (Witnessed, AsyncWitnessed)]
        until(lambda: len(executions(oracle)) == 2, 10, "both are running, and a slot is free for each")
        cluster.redis.kill()
        stay_away(LEASE_S + 1)
        cluster.redis.restart()
        assert [handle.result(timeout=60) for handle in handles] == [[value_of(7)]] * 2
        assert [handle.state().losses for handle in handles] == [0, 0]
    assert set(times_run(oracle).values()) == {1}


def test_after_a_long_absence_of_redis_a_fleet_that_was_idle_takes_work_again_in_seconds(tmp_path: Path) -> None:
    oracle = path_in(tmp_path)
    with new_cluster(workers=2, slots=1, redis_options=DURABLE) as cluster:
        cluster.redis.kill()
        stay_away(LONG_AWAY_S)
        cluster.redis.restart()
        back_at = time.monotonic()
        handle = cluster.executor.submit(Witnessed(oracle).job(range(10)))
        assert handle.result(timeout=60) == [value_of(item) for item in range(10)]
        took_s = time.monotonic() - back_at
        print(f"\nafter {LONG_AWAY_S:g} s without Redis ten items took {took_s:.1f} s")
    assert took_s < RESUMES_WITHIN_S


def test_redis_killed_as_batches_close_closes_each_once(tmp_path: Path) -> None:
    oracle, n, took = path_in(tmp_path), 40, []
    with new_cluster(workers=2, slots=2, redis_options=DURABLE) as cluster:
        connections = connect(cluster)
        for left in range(6):
            handle = cluster.executor.submit(Witnessed(oracle, 0.005).job(range(n)))
            await_more([handle], n - 1 - left)
            cluster.redis.kill()
            cluster.redis.restart()
            back_at = time.monotonic()
            assert handle.result(timeout=60) == [value_of(item) for item in range(n)]
            took.append(time.monotonic() - back_at)
            until(lambda: not connections.redis.exists(connections.keys.batches), 30, "its aggregation is confirmed")
            state = assert_once_each(connections, handle.id, n)
            assert (state.gen, state.confirmed) == (0, 0)
        connections.close()
    print(f"\nresults {', '.join(f'{one:.2f}' for one in took)} s after Redis' return")


def done(handles: Sequence[BatchHandle[int]]) -> int:
    """Outcomes so far; -1 while Redis does not answer."""
    try:
        return sum(handle.progress().done for handle in handles)
    except TROUBLE:
        return -1


def await_more(handles: Sequence[BatchHandle[int]], than: int) -> None:
    until(lambda: done(handles) > than, 60, f"more than {than} items are done")


def stay_away(seconds: float) -> None:
    """How long Redis is away is what this test is about; nothing happens meanwhile that could be waited for."""
    threading.Event().wait(seconds)


def processes(cluster: flowq.LocalCluster, wanted: int) -> list[int]:
    """The pids of the workers' main processes and children, once there are *wanted* of them; else none."""
    found = [process.pid for worker in cluster.workers for process in processes_of(worker)]
    return found if len(found) == wanted else []
