"""What a batch survives: killed workers and processes, frozen ones, lost and doubled messages, producers that fork.

Real workers, real signals. The oracle is the trace of executions (tests/faulty.py) and the outcomes in Redis, recounted.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowq
from flowq.engine.connection import Connections
from flowq.engine.results import read_dones
from flowq.local.local_worker import LocalWorker
from tests import faulty, nodes
from tests.faulty import Execution, trace
from tests.waiting import until

IMPORTS = ["tests.nodes", "tests.faulty"]
LEASE_S = 3.0
# A lease, the caretaker's next round, and a slot that falls free.
RUNS_AGAIN_WITHIN_S = 6.0


def new_cluster(*, workers: int, slots: int) -> flowq.LocalCluster:
    return flowq.LocalCluster(workers=workers, slots=slots, lease_s=LEASE_S, imports=IMPORTS, grace_s=0)


@pytest.fixture
def oracle(tmp_path: Path) -> str:
    return str(tmp_path / "executions")


def fleet(cluster: flowq.LocalCluster) -> Connections:
    return Connections(flowq.Settings(broker_url=cluster.broker_url, lease_s=LEASE_S))


def committed(cluster: flowq.LocalCluster, batch_id: str) -> Counter[int]:
    """How many commits say what became of each index."""
    counts: Counter[int] = Counter()
    connections = fleet(cluster)
    for done in read_dones(connections, batch_id):
        counts.update(outcome.index for outcome in done.outcomes())
    connections.close()
    return counts


def once_each(n: int) -> Counter[int]:
    return Counter(range(n))


def in_hand(oracle: str, worker: LocalWorker) -> list[Execution]:
    """What *worker* is executing, as far as it has told."""
    return [one for one in trace(oracle) if one.ended is None and group_of(one.pid) == worker.pid]


def group_of(pid: int) -> int:
    """The process group of *pid*: its worker's pid; 0 once it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def kill_with_items_in_hand(cluster: flowq.LocalCluster, oracle: str, worker: LocalWorker) -> tuple[list[int], float]:
    """SIGKILL a worker and its children while they execute items; these items, and when it was."""

    def frozen_in_the_middle() -> list[Execution]:
        worker.kill(signal.SIGSTOP)
        held = in_hand(oracle, worker)
        if not held:
            worker.kill(signal.SIGCONT)
        return held

    held = until(frozen_in_the_middle, 10, f"{worker.name} executes items")
    killed_at = time.time()
    worker.kill()
    return [one.index for one in held], killed_at


def test_five_workers_lost_in_one_batch_cost_seconds_and_no_item(oracle: str) -> None:
    n = 500
    with new_cluster(workers=3, slots=1) as cluster:
        handle = faulty.Traced(oracle, seconds=0.05).submit(range(n))
        kills = []
        for number in range(5):
            kills.append(kill_with_items_in_hand(cluster, oracle, cluster.workers[number]))
            cluster.add_worker()
        assert handle.result(timeout=60) == [i * 3 for i in range(n)]
        assert committed(cluster, handle.id) == once_each(n)
        state = handle.state()
    assert (state.ok, state.failed) == (n, 0)
    assert state.losses >= 5
    assert state.crashes == 0
    for held, killed_at in kills:
        again = [one.began - killed_at for one in trace(oracle) if one.index in held and one.began > killed_at]
        assert again, f"items {held} were never run again"
        assert min(again) < RUNS_AGAIN_WITHIN_S


def test_an_item_of_three_leases_runs_once_whatever_it_does_and_whoever_dies_meanwhile(tmp_path: Path) -> None:
    long = {kind: str(tmp_path / kind.__name__) for kind in (faulty.Traced, faulty.AsyncTraced, faulty.HoldsTheGil)}
    short = str(tmp_path / "short")
    with new_cluster(workers=1, slots=3) as cluster:
        handles = [kind(path, seconds=3 * LEASE_S).submit([7]) for kind, path in long.items()]
        until(lambda: all(trace(path) for path in long.values()), 5, "all three are running")
        cluster.add_worker()
        beside = faulty.Traced(short, seconds=0.05).submit(range(60))
        kill_with_items_in_hand(cluster, short, cluster.workers[1])
        cluster.add_worker()
        assert beside.result(timeout=30) == [i * 3 for i in range(60)]
        assert [handle.result(timeout=30) for handle in handles] == [[21]] * 3
        assert [handle.state().losses for handle in handles] == [0, 0, 0]
    for kind, path in long.items():
        (only,) = trace(path)
        assert only.ended is not None
        assert only.ended - only.began > 2 * LEASE_S, f"{kind.__name__} was not long enough to prove anything"


@pytest.fixture(scope="module")
def pair() -> Iterator[flowq.LocalCluster]:
    """One worker with two slots, for tests that leave it alive."""
    with new_cluster(workers=1, slots=2) as cluster:
        yield cluster


def test_a_queue_deleted_in_the_middle_costs_a_lease(pair: flowq.LocalCluster, oracle: str) -> None:
    connections = fleet(pair)
    queue = f"{connections.settings.prefix}:{connections.settings.queue}"
    handle = faulty.Traced(oracle, seconds=0.02).submit(range(100))
    until(lambda: handle.progress().done > 10, 5, "some are done")
    assert until(lambda: connections.redis.delete(queue), 5, "a message lies in the queue") == 1
    assert handle.result(timeout=30) == [i * 3 for i in range(100)]
    assert committed(pair, handle.id) == once_each(100)
    connections.close()


class Doubling:
    """A thread that publishes every open chunk of a batch again and again, and its aggregation too, until the block ends."""

    def __init__(self, cluster: flowq.LocalCluster, batch_id: str) -> None:
        self._connections = fleet(cluster)
        self._batch_id = batch_id
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.doubled = 0

    def __enter__(self) -> Doubling:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._connections.close()

    def _run(self) -> None:
        redis, keys = self._connections.redis, self._connections.keys
        header = read_header(redis, keys, self._batch_id)
        while not self._stop.wait(0.005):
            ids = [name.decode() for name in redis.hkeys(keys.of(self._batch_id, "open"))]
            publish_chunks(self._connections, header, ids)
            self.doubled += len(ids)


def test_messages_that_arrive_twice_change_nothing(pair: flowq.LocalCluster) -> None:
    items = range(400)
    alone = nodes.Picky(on_error="collect").submit(items)
    expected = alone.result(timeout=30)
    handle = nodes.Picky(on_error="collect").submit(items)
    with Doubling(pair, handle.id):
        result = handle.result(timeout=30)
    assert result == expected
    assert [one.status for one in result.items] == [one.status for one in expected.items]
    assert counters(handle.state()) == counters(alone.state())
    assert committed(pair, handle.id) == once_each(400)
