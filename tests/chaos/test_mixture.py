"""Eleven kinds of fault, each within a few seconds of the other, while pieces of many features run side by side.

Afterwards everything is exact, and nothing is left: no place that is counted, no batch that is looked after, no key
that Redis would keep for good, no connection, no process.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

import flowq
from flowq.engine.connection import Connections
from tests.chaos import mixture
from tests.chaos.fleet import DURABLE, connect, new_cluster, processes_of
from tests.chaos.lengths import SEEDS
from tests.chaos.load import path_in
from tests.chaos.strikes import HarderStriker
from tests.waiting import until

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(180)]

WORKERS, SLOTS = 3, 2
EVERY_S = 1.0
FOR_S = 12.0
COUNTS = ("weight", "beside", "parents", "family")


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_strikes_many_features_at_once_all_of_it_is_exact_and_nothing_is_left(
    tmp_path: Path, seed: int
) -> None:
    with new_cluster(workers=WORKERS, slots=SLOTS, redis_options=DURABLE) as cluster:
        connections, over = connect(cluster), threading.Event()
        had = max(process.num_fds() for worker in cluster.workers for process in processes_of(worker))

        def work(line: int) -> list[mixture.Check]:
            """One piece after another until the strikes are over, all kinds in turn."""
            checks = []
            for number in itertools.count():
                if over.is_set() and number > 0:
                    return checks
                piece = mixture.ALL[(line + number) % len(mixture.ALL)]
                checks.append(piece(cluster.executor, path_in(tmp_path), f"{piece.__name__} {line} {number}"))
            raise AssertionError

        with ThreadPoolExecutor(len(mixture.ALL)) as pool:
            lines = [pool.submit(work, line) for line in range(len(mixture.ALL))]
            striker = HarderStriker(cluster, random.Random(seed), EVERY_S)
            try:
                striker.run(FOR_S, lambda: [line.result() for line in lines if line.done()])
            finally:
                over.set()
                print(f"\nseed {seed}:", *(strike.what for strike in striker.strikes), sep="\n  ")
            struck_at = time.monotonic()
            checks = [check for line in lines for check in line.result()]
        print(f"{len(checks)} pieces, the last of them {time.monotonic() - struck_at:.1f} s after the last fault")
        for check in checks:
            check()
        assert_nothing_is_left(connections)
        assert_whole(cluster, had)
        connections.close()


def assert_nothing_is_left(connections: Connections) -> None:
    """Of what was counted, looked after or kept for good."""
    redis, keys = connections.redis, connections.keys
    until(lambda: not redis.exists(keys.batches), 30, "nothing is looked after any more")
    assert [key for key in redis.scan_iter(keys.pattern()) if redis.ttl(key) == -1] == []
    for meta in redis.scan_iter(keys.of("*", "meta")):
        counts = dict(zip(COUNTS, redis.hmget(meta, COUNTS), strict=True))
        assert {name for name, count in counts.items() if int(count or 0)} == set(), f"{meta}: {counts}"


def assert_whole(cluster: flowq.LocalCluster, had_fds: int) -> None:
    """As many processes as before, and none of them has kept what it once had open."""

    def living() -> list[psutil.Process]:
        found = [processes_of(worker) for worker in cluster.workers if worker.process.running]
        return [one for some in found for one in some] if list(map(len, found)) == [1 + SLOTS] * WORKERS else []

    processes = until(living, 15, "every worker and child is there again")
    assert max(process.num_fds() for process in processes) < had_fds + 30
