"""Every message twice, none at its time: what the queue does with messages changes nothing that a batch comes to."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.fanout import Fanout
from flowq.core.store.merge import apply_delta
from flowq.engine.app import queue_list
from tests.chaos.exactness import assert_once_each
from tests.chaos.fleet import connect, new_cluster
from tests.chaos.lengths import SEEDS
from tests.chaos.load import path_in
from tests.chaos.witness import AsyncWitnessed, Troubled, Witnessed, found_by_all, times_run, value_of
from tests.submitting import counters
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(240)]

N = 300
SPARE = "spare"  # no worker consumes it
HELD_UP_S = 0.4
ROUND_S = 0.005


class Twice:
    """Within the block what is sent to the queue ``spare`` goes to the workers twice, at two random times soon after.

    Attributes:
        sent: how many messages there were.
    """

    def __init__(self, cluster: flowq.LocalCluster, rng: random.Random) -> None:
        self._connections = connect(cluster)
        app = self._connections.app
        self._from, self._to = queue_list(app, SPARE), queue_list(app, self._connections.settings.queue)
        self._rng = rng
        self._due: list[tuple[float, bytes]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.sent = 0

    def __enter__(self) -> Twice:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._connections.close()

    def nothing_is_under_way(self) -> bool:
        redis = self._connections.redis
        unacked = f"{self._connections.settings.prefix}:unacked"
        return not self._due and not redis.exists(self._from, self._to, unacked)

    def _run(self) -> None:
        redis = self._connections.redis
        while not self._stop.wait(ROUND_S):
            while (message := redis.rpop(self._from)) is not None:
                self.sent += 1
                for _ in range(2):
                    self._due.append((time.monotonic() + self._rng.uniform(0, HELD_UP_S), message))
            now = time.monotonic()
            due = [one for one in self._due if one[0] <= now]
            self._rng.shuffle(due)
            for one in due:
                redis.lpush(self._to, one[1])
                self._due.remove(one)


def kinds(oracle: str, **options: Any) -> list[Fanout[Any, Any]]:
    """One node of each kind."""
    return [
        Witnessed(oracle, on_error="collect", **options),
        Witnessed(oracle, on_error="collect", chunk_size=1, **options),
        Troubled(oracle, on_error="collect", max_retries=2, **options),
        Troubled(oracle, on_error="collect", max_retries=2, wait=1.2, **options),
        AsyncWitnessed(oracle, on_error="collect", **options),
        found_by_all(oracle, on_error="collect", **options),
    ]


def submitted(cluster: flowq.LocalCluster, nodes: list[Fanout[Any, Any]]) -> list[Any]:
    handles = []
    for node in nodes:
        items: Any = [{"item": item} for item in range(N)] if isinstance(node, flowq.BatchFlow) else range(N)
        handles.append(cluster.executor.submit(node.job(items, shared={})))
    return handles


@pytest.mark.parametrize("seed", range(SEEDS))
def test_every_message_twice_in_random_order_changes_nothing(tmp_path: Path, seed: int) -> None:
    oracle, undisturbed = path_in(tmp_path), str(tmp_path / "undisturbed")
    # A lease that is longer than anything here takes: a message that comes late is no loss.
    with new_cluster(workers=2, slots=2, lease_s=10) as cluster:
        connections = connect(cluster)
        alone = submitted(cluster, kinds(undisturbed))
        expected = [handle.result(timeout=60) for handle in alone]
        with Twice(cluster, random.Random(seed)) as twice:
            handles = submitted(cluster, kinds(oracle, queue=SPARE))
            results = [handle.result(timeout=90) for handle in handles]
            until(lambda: not connections.redis.exists(connections.keys.batches), 30, "aggregations are confirmed")
            until(twice.nothing_is_under_way, 30, "the last doubles were taken too")
        for handle, before, result, there in zip(handles, alone, results, expected, strict=True):
            assert result == there
            assert [(one.status, one.attempts) for one in result.items] == [
                (one.status, one.attempts) for one in there.items
            ]
            state = assert_once_each(connections, handle.id, N)
            assert counters(state) == counters(before.state())
            assert (state.gen, state.confirmed) == (0, 0)
        store: dict[str, Any] = {}
        apply_delta(store, results[-1].delta, {})
        connections.close()
    assert store == {"found": [value_of(item) for item in range(N)]}
    runs = Counter(times_run(oracle).values())
    print(f"\nseed {seed}: {twice.sent} messages sent twice; items run n times: {dict(runs)}")
    assert set(runs) == {1}
    # Short chunks share a message: there are fewer of these than items.
    assert twice.sent > N // 6
