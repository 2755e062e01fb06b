"""A set of the benchmarks with real systems: who takes part, who is out, and that a stopped one goes on."""

from __future__ import annotations

import signal
import subprocess
import sys

import psutil
import pytest

from benchmarks.interleave import compare
from benchmarks.stage import Stage
from benchmarks.systems.pool import ProcessPool
from benchmarks.workloads import Workload, payloads
from tests.waiting import until


def test_who_cannot_or_takes_too_long_says_why_and_the_others_are_measured() -> None:
    workload = Workload("small", "ten payloads", 10, payloads, ideal=("redis", ""))
    with Stage() as stage:
        cannot, pool = compare(stage, workload, [("gather", ""), ("pool", "")], rounds=2, limit_s=30.0)
        (late,) = compare(stage, workload, [("pool", "")], rounds=1, limit_s=0.0001)
    assert (cannot.why, cannot.flowq, cannot.other) == ("for items that wait", None, None)
    assert pool.flowq is not None
    assert pool.other is not None
    assert pool.ideal is not None
    assert [len(one.values) for one in (pool.flowq, pool.other, pool.ideal)] == [2, 2, 2]
    assert (late.why, late.flowq, late.other) == ("failed: Overdue: not done within 0.0001 s", None, None)


def test_who_costs_something_while_idle_is_stopped_between_its_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ProcessPool, "costs_idle", True)
    with Stage() as stage:
        with stage.turn("pool") as running:
            assert running.system.map("noop", [1]) == [1]
        assert running.processes
        until(lambda: {process.status() for process in running.processes} == {psutil.STATUS_STOPPED}, 5.0)
        with stage.turn("pool") as again:
            assert again.system.map("noop", [2]) == [2]


KILLED = """
import time
from benchmarks.systems.processes import Processes
leader = Processes().start("/bin/sh", "-c", "sleep 300 & wait")
print(leader.pid, flush=True)
time.sleep(300)
"""


def test_what_a_peers_worker_forked_dies_with_a_program_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        leader = psutil.Process(int(program.stdout.readline()))
        (forked,) = until(leader.children, 10.0)
        program.send_signal(signal.SIGKILL)
    until(lambda: not forked.is_running() or forked.status() == psutil.STATUS_ZOMBIE, 5.0)
