"""What every benchmark runs on: one Redis, two flowq slots, two plain Celery slots, a pool of two."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

from redis import Redis

import flowq

SLOTS = 2
ROOT = Path(__file__).resolve().parents[1]


@dataclass
class Machine:
    cluster: flowq.LocalCluster
    redis: Redis
    pool: Pool
    celery_pid: int

    def bytes_of(self, run: Callable[[], object]) -> int:
        """Bytes that went through Redis, in and out, while *run* ran."""
        before = self._bytes()
        run()
        return self._bytes() - before

    def received(self) -> int:
        """Bytes that Redis was sent so far."""
        return int(self.redis.info("stats")["total_net_input_bytes"])  # type: ignore[index]

    def _bytes(self) -> int:
        info: Any = self.redis.info("stats")
        return int(info["total_net_input_bytes"]) + int(info["total_net_output_bytes"])


@contextmanager
def machine(*, slots: int = SLOTS) -> Iterator[Machine]:
    """Everything started and warm."""
    # The pool first: it forks, and a process without threads forks best.
    pool = multiprocessing.get_context("fork").Pool(slots)
    with pool, flowq.LocalCluster(slots=slots, workers=1, imports=["benchmarks.nodes"]) as cluster:
        url = cluster.broker_url
        os.environ["BENCH_BROKER_URL"] = url
        os.environ["BENCH_BACKEND_URL"] = url
        plain = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "benchmarks.celery_app", "worker", "-c", str(slots),
             "--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "ERROR", "-n", "plain@%h"],
            cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            from benchmarks import celery_app

            _await(lambda: celery_app.run_single() == 1)
            yield Machine(cluster, Redis.from_url(cluster.redis.redis_url), pool, plain.pid)
        finally:
            plain.terminate()
            try:
                plain.wait(timeout=10)
            except subprocess.TimeoutExpired:
                plain.kill()


def _await(ready: object, timeout_s: float = 30.0) -> None:
    until = time.monotonic() + timeout_s
    while True:
        try:
            if ready():  # type: ignore[operator]
                return
        except Exception:
            if time.monotonic() > until:
                raise
            time.sleep(0.2)
