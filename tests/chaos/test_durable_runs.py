"""Durable runs under kills: of the worker in each step, and of the producer and then of all workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import flowq
from flowq.engine.reading.results import read_holders
from tests import nested
from tests.waiting import until

pytestmark = pytest.mark.chaos

MARKS = ["one", "two", "three", "four", "five", "six"]
NUMBERS = 300

PRODUCER = """
import sys, time
import flowq
from flowq.engine.reading.results import read_holders
from tests import nested
run = nested.six_steps(sys.argv[1], 0.2).submit({"numbers": list(range(int(sys.argv[2])))}, key="walked away")
print(run.id, flush=True)
time.sleep(60)
"""


def test_a_worker_killed_in_each_step_repeats_that_step_alone(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with flowq.LocalCluster(slots=1, workers=2, imports=["tests.nested"], lease_s=2) as cluster:
        run = nested.six_steps(str(path), 1.0).submit({"numbers": [1, 2, 3]})
        for mark in MARKS:
            until(lambda mark=mark: f"{mark} begins" in nested.notes(path), 20, f"step {mark} runs")  # type: ignore[misc]
            (holder,) = until(
                lambda: read_holders(cluster.executor.connections, run.id).values(), 5, "somebody holds the run"
            )
            next(worker for worker in cluster.workers if f"{worker.name}@" in holder).kill()
            cluster.add_worker()
        assert run.result(timeout=40).shared["marks"] == MARKS
    counted = Counter(nested.notes(path))
    print(f"\nevery step killed once: {dict(counted)}")
    assert {one: counted[f"{one} ends"] for one in MARKS} == dict.fromkeys(MARKS, 1)
    assert {one: counted[f"{one} begins"] for one in MARKS} == dict.fromkeys(MARKS, 2)


def test_the_producer_killed_then_all_workers_and_the_run_ends_exact(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with flowq.LocalCluster(slots=1, workers=2, imports=["tests.nested"], lease_s=2) as cluster:
        env = {**os.environ, "FLOWQ_BROKER_URL": cluster.broker_url, "PYTHONPATH": os.pathsep.join(sys.path)}
        producer = subprocess.Popen(
            [sys.executable, "-c", PRODUCER, str(path), str(NUMBERS)], env=env, stdout=subprocess.PIPE, text=True
        )
        assert producer.stdout is not None
        run_id = producer.stdout.readline().strip()
        os.kill(producer.pid, signal.SIGKILL)
        producer.wait()
        producer.stdout.close()
        until(lambda: "square 0" in nested.notes(path), 30, "the batch has begun")
        for worker in cluster.workers:
            worker.kill()
        for _ in range(2):
            cluster.add_worker()
        run = flowq.get_run(run_id)
        result = run.result(timeout=60)
        assert result.shared["squares"] == [number * number for number in range(NUMBERS)]
        assert result.shared["marks"] == MARKS
    counted = Counter(nested.notes(path))
    assert [counted[f"{one} ends"] for one in MARKS] == [1] * 6
    assert {counted[f"square {number}"] for number in range(NUMBERS)} <= {1, 2}
