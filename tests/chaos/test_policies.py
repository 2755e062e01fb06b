"""Rates, caps and breakers over eight and more processes for half a minute, workers being killed; prints figures."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import policed
from tests.chaos.fleet import LEASE_S, processes_of
from tests.chaos.lengths import CHAOS_S
from tests.waiting import until

KINDS = pytest.mark.parametrize("kind", [policed.Call, policed.AsyncCall])
FOR_S = 30.0
PER_S = 100
CAP = 10
KILLS_FOR_S = min(FOR_S, CHAOS_S / 2)
ITEM_S = 0.3
KILL_EVERY_S = 5.0
WAKE_S = 1.0  # how often a caretaker looks for leases that have lapsed


@pytest.fixture
def eight_processes() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(workers=2, slots=4, imports=["tests.policed"], lease_s=LEASE_S) as cluster:
        yield cluster


@pytest.mark.bench
@KINDS
def test_a_hundred_a_second_over_eight_processes(
    eight_processes: flowq.LocalCluster, tmp_path: Path, kind: Any
) -> None:
    path = str(tmp_path / "noted")
    n = int(PER_S * FOR_S)
    assert len(kind(path, seconds=0.02, rate=f"{PER_S}/s").map([{"key": str(i)} for i in range(n)])) == n
    noted = policed.noted(path)
    starts = [at for _, _, at in noted]
    seconds = starts[-1] - starts[0]
    most, processes = policed.most_in(starts, 1.0), len({pid for _, pid, _ in noted})
    per_s = (len(starts) - 1) / seconds
    print(
        f"\n{kind.__name__}: {per_s:.2f}/s over {seconds:.1f} s in {processes} processes; at most {most} in any second"
    )
    assert len(starts) == n
    assert 97 <= per_s <= 101
    assert most <= 1.05 * PER_S


@dataclass(frozen=True, slots=True)
class Kill:
    """A worker that was killed: when it was surely gone, and which processes it had."""

    at: float
    pids: frozenset[int]


@pytest.mark.chaos
@pytest.mark.timeout(180)
@pytest.mark.parametrize(("kind", "in_flight"), [(policed.Call, 1), (policed.AsyncCall, 4)])
def test_a_cap_is_never_exceeded_while_workers_are_killed(tmp_path: Path, kind: Any, in_flight: int) -> None:
    path = str(tmp_path / "noted")
    items = [{"key": str(i)} for i in range(int(KILLS_FOR_S * CAP / ITEM_S))]
    kills: list[Kill] = []
    with flowq.LocalCluster(workers=4, slots=4, imports=["tests.policed"], lease_s=LEASE_S, grace_s=0) as cluster:
        handle = kind(path, seconds=ITEM_S, concurrency=CAP, in_flight=in_flight).submit(items)
        next_kill = time.monotonic() + KILL_EVERY_S
        while not handle.wait(max(0.0, next_kill - time.monotonic())):
            kills.append(kill_the_busiest(cluster, path, kills))
            cluster.add_worker()
            next_kill += KILL_EVERY_S
        assert handle.result() == [item["key"] for item in items]
    timeline = in_flight_over_time(path, kills)
    most = max(running for _, running in timeline)
    back = [recovery_s(timeline, kill) for kill in kills[:-1]]
    runs = Counter(key for key, _, _ in policed.noted(path))
    print(
        f"\n{kind.__name__}: {len(kills)} kills; at most {most} of {CAP} in flight; all permits back after at most "
        f"{max(back):.2f} s (lease {LEASE_S:g} s); {sum(n - 1 for n in runs.values())} of {len(items)} items run again"
    )
    # A busy machine takes its time to start a worker in the place of one that was killed.
    assert len(kills) >= KILLS_FOR_S // KILL_EVERY_S // 2
    assert most <= CAP
    assert max(back) <= LEASE_S + WAKE_S + 0.5


def kill_the_busiest(cluster: flowq.LocalCluster, path: str, kills: list[Kill]) -> Kill:
    """Kill the worker with the most items in flight."""
    gone = {pid for kill in kills for pid in kill.pids}
    ended = Counter((key, pid) for key, pid, _ in policed.noted(path, "end"))
    running = Counter(pid for key, pid, _ in policed.noted(path) if not ended[key, pid] and pid not in gone)
    alive = [worker for worker in cluster.workers if worker.ready]
    pids = {worker: frozenset(one.pid for one in processes_of(worker)) for worker in alive}
    victim = max(alive, key=lambda worker: sum(running[pid] for pid in pids[worker]))
    victim.kill()
    return Kill(time.time(), pids[victim])


def in_flight_over_time(path: str, kills: list[Kill]) -> list[tuple[float, int]]:
    """(moment, items in flight from then on); what ran in a killed process ended with it."""
    begun, ended = policed.noted(path), Counter((key, pid) for key, pid, _ in policed.noted(path, "end"))
    moments = [(at, 1) for _, _, at in begun] + [(at, -1) for _, _, at in policed.noted(path, "end")]
    for key, pid, _ in begun:
        if not ended[key, pid]:
            moments.append((next(kill.at for kill in kills if pid in kill.pids), -1))
    timeline, running = [], 0
    for at, step in sorted(moments):
        running += step
        timeline.append((at, running))
    return timeline


def recovery_s(timeline: list[tuple[float, int]], kill: Kill) -> float:
    """Seconds from *kill* until as many items were in flight as may be."""
    return next(at for at, running in timeline if at > kill.at and running == CAP) - kill.at


@pytest.mark.chaos
@KINDS
def test_a_breaker_opened_on_one_worker_is_open_on_all_within_a_second(
    eight_processes: flowq.LocalCluster, tmp_path: Path, kind: Any
) -> None:
    path = str(tmp_path / "noted")
    breaker = flowq.Breaker(failures=5, reset=5)
    node = kind(path, seconds=0.05, breaker=breaker, on_error="collect", in_flight=1)
    handle = node.submit([{"key": str(i)} for i in range(3000)])
    until(lambda: len({pid for _, pid, _ in policed.noted(path)}) == 8, 20, "all processes are at work")
    down = Path(f"{path}.down")
    down.touch()
    went_down = time.time()
    until(lambda: time.time() > went_down + 3, 5, "some time has passed")
    during = [at for _, _, at in policed.noted(path) if at > went_down]
    late_s = max(during) - went_down
    down.unlink()
    result = handle.result()
    failed = sum(outcome.status == "failed" for outcome in result.items)
    again = min(at for _, _, at in policed.noted(path) if at > went_down + 3)
    print(
        f"\n{kind.__name__}: no start later than {late_s:.2f} s after the service went down, {failed} failures in 8 "
        f"processes; the first start again {again - went_down:.2f} s after"
    )
    assert late_s <= 1.0
    assert 5 <= failed <= 40
    assert again - went_down >= breaker.reset
