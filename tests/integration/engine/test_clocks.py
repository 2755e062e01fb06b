"""Machines whose clocks are set apart, or set anew while they work."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from redis import Redis

from flowq.client.executor import CeleryExecutor
from flowq.engine.batches import Headers
from flowq.engine.fleet.presence import WorkerRecord, alive, announce, workers
from flowq.engine.keys import Keys
from flowq.worker.boards import Boards
from flowq.worker.leases import Leases
from tests.waiting import until

KEYS = Keys("flowq")
HOUR_S = 3600.0


def record(name: str) -> WorkerRecord:
    return WorkerRecord(name, "host", 1, 2, {"flowq": "flowq:flowq"}, ("app.nodes:Parse",), "1", 0.0)


@pytest.mark.parametrize("ahead_s", [HOUR_S, -HOUR_S])
def test_a_worker_whose_clock_is_off_hides_no_other_worker_and_is_there_itself(
    redis: Redis, monkeypatch: pytest.MonkeyPatch, ahead_s: float
) -> None:
    right = time.time
    announce(redis, KEYS, record("right@one"))
    monkeypatch.setattr(time, "time", lambda: right() + ahead_s)
    announce(redis, KEYS, record("off@two"))
    monkeypatch.setattr(time, "time", right)
    announce(redis, KEYS, record("right@three"))
    assert {one.name for one in workers(redis, KEYS)} == {"right@one", "off@two", "right@three"}
    assert alive(redis, KEYS) == 3


def test_workers_that_went_without_a_word_are_forgotten(redis: Redis) -> None:
    announce(redis, KEYS, record("gone@one"), ttl_s=0.001)
    redis.zadd(KEYS.workers, {record("gone@one").entry: time.time() - HOUR_S})
    until(lambda: alive(redis, KEYS) == 0, 10, "its record has lapsed")
    announce(redis, KEYS, record("there@two"))
    assert redis.zrange(KEYS.workers, 0, -1) == [record("there@two").entry.encode()]


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for a slot."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as process:
        yield process
        process.kill()


def test_a_clock_that_is_set_anew_ends_no_item(
    producer: CeleryExecutor,
    sleeper: subprocess.Popen[bytes],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    shared = Boards()
    monkeypatch.setattr(os, "getpid", lambda: sleeper.pid)
    own = shared.own(0)
    monkeypatch.undo()
    own.running(7, 50.0)
    leases = Leases(producer.connections, Headers(producer.connections.redis, producer.connections.keys), shared)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + HOUR_S)
    leases.tick()
    assert "its process is killed" not in caplog.text
    own.running(7, 1e-6)
    leases.tick()
    assert sleeper.wait(10) < 0, "its limit has passed"
    assert "its process is killed" in caplog.text
