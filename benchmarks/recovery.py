"""``python -m benchmarks.recovery``: seconds from the SIGKILL of a worker, or of one child, to its item's second begin.

Everything is at its default. The item notes its begins in a file; what kills it waits for the first one.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import flowq
from benchmarks import nodes
from benchmarks.comparison import Cell, Comparison
from benchmarks.own import keep
from flowq.settings import Settings

KILLS = 7
MOST_S = 60.0
# The bars.
ABOVE_LEASE_S, LEASE_S = 2.0, 10.0


def begins(log: Path) -> list[tuple[int, float]]:
    """Process and time of each begin."""
    if not log.exists():
        return []
    lines = [line.split() for line in log.read_text().splitlines()]
    return [(int(pid), float(at)) for pid, at in (line for line in lines if len(line) == 2)]


def after(log: Path, count: int) -> tuple[int, float]:
    """The begin number *count*, from 1; waited for."""
    until = time.monotonic() + MOST_S
    while len(begins(log)) < count:
        if time.monotonic() > until:
            raise TimeoutError(f"begin {count} of the item did not come in {MOST_S:g} s")
        time.sleep(0.005)
    return begins(log)[count - 1]


def killed(log: Path, kill: Callable[[int], None]) -> float:
    """Seconds from *kill*, given the process that runs the item, to its second begin."""
    handle = nodes.Outlive().submit([str(log)])
    pid, _ = after(log, 1)
    # At any time between two beats.
    time.sleep(random.uniform(1.0, 3.0))
    at = time.monotonic()
    kill(pid)
    _, again = after(log, 2)
    assert handle.result() == [2]
    return again - at


def kill_worker(cluster: flowq.LocalCluster, pid: int) -> None:
    """End the whole worker that process *pid* belongs to, all its processes at once."""
    worker = next(one for one in cluster.workers if one.pid == os.getpgid(pid))
    worker.kill(signal.SIGKILL)


def compare(kills: int = KILLS) -> Iterator[Comparison]:
    """Two workers of one slot; the killed one is replaced before the next kill."""
    lease_s = Settings().lease_s
    whole: list[float] = []
    child: list[float] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        flowq.LocalCluster(slots=1, workers=2, imports=["benchmarks.nodes"]) as cluster,
    ):
        for turn in range(kills):
            whole.append(killed(Path(folder, f"whole-{turn}"), lambda pid: kill_worker(cluster, pid)))
            cluster.add_worker()
            child.append(killed(Path(folder, f"child-{turn}"), lambda pid: os.kill(pid, signal.SIGKILL)))
    for key, what, values, limit in (
        ("worker", "from the SIGKILL of a worker to the next begin of its item", whole, lease_s + ABOVE_LEASE_S),
        ("child", "from the SIGKILL of one child to the next begin of its item", child, lease_s + ABOVE_LEASE_S),
        ("lease", "the default lease", [lease_s], LEASE_S),
    ):
        yield Comparison(f"W9-{key}", what, "nobody", "", name="–", flowq=Cell("flowq", tuple(values)), limit=limit)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        keep("recovery", compare())
