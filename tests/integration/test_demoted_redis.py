"""A Redis that takes no writes for a moment: a failover has made it a replica, or it has too few replicas."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

import flowq
from tests import faulty, nested
from tests.faulty import runs_of, trace
from tests.messages import Log
from tests.waiting import until

Config = dict[str, str]


@pytest.fixture
def cluster() -> Iterator[flowq.LocalCluster]:
    imports = ["tests.faulty", "tests.nested"]
    with flowq.LocalCluster(workers=1, slots=1, imports=imports, grace_s=0) as cluster:
        yield cluster


@pytest.fixture
def redis(cluster: flowq.LocalCluster) -> Iterator[Redis]:
    assert cluster.redis is not None
    with Redis.from_url(cluster.redis.redis_url) as client:
        yield client


@pytest.mark.parametrize("refusal", ["READONLY", "NOREPLICAS"])
def test_what_has_run_is_kept_until_redis_takes_writes_again(
    cluster: flowq.LocalCluster, redis: Redis, refusal: str, tmp_path: Path
) -> None:
    oracle = str(tmp_path / "executions")
    handle = cluster.executor.submit(faulty.Traced(oracle, slow={0: 1.0}).job(range(3)))
    until(lambda: len(trace(oracle)) == 1, 10, "the first item runs")
    if refusal == "READONLY":
        redis.replicaof("127.0.0.1", "1")
    else:
        redis.config_set("min-replicas-to-write", 1)
    Log(cluster.workers[0].log_path, whole=True).await_line("takes no writes; finished items wait")
    redis.replicaof("NO", "ONE")
    redis.config_set("min-replicas-to-write", 0)
    assert handle.result(timeout=30) == [0, 3, 6]
    assert runs_of(oracle) == {0: 1, 1: 1, 2: 1}
    assert handle.state().losses == handle.state().crashes == 0


def test_a_run_whose_step_ends_meanwhile_goes_on(cluster: flowq.LocalCluster, redis: Redis, tmp_path: Path) -> None:
    path = tmp_path / "notes"
    run = nested.six_steps(str(path), first_s=1.0).submit({"numbers": [1, 2]})
    until(lambda: "one begins" in nested.notes(path), 20, "the first step runs")
    redis.replicaof("127.0.0.1", "1")
    Log(cluster.workers[0].log_path, whole=True).await_line("takes no writes; finished items wait")
    redis.replicaof("NO", "ONE")
    assert run.result(timeout=30).shared["squares"] == [1, 4]
    assert nested.notes(path).count("one begins") == 1
