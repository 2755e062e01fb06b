"""A rolling deploy: every worker is told to stop and replaced, again and again, while work goes on.

Each worker finishes what it has begun and hands back what it has not: no item is lost, none is run twice.
"""

from __future__ import annotations

import fcntl
import os
import random
import signal
import struct
import termios
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from flowq.engine.connection import Connections
from tests.chaos.exactness import assert_once_each
from tests.chaos.fleet import connect, new_cluster, processes_of, queue_of
from tests.chaos.lengths import ROLLING_S, SEEDS
from tests.chaos.load import KINDS, Kind, Load, path_in
from tests.chaos.witness import AsyncWitnessed, Witnessed, times_run, value_of
from tests.waiting import until

SOFT_SHUTDOWN_S = 10.0

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(ROLLING_S + 180)]

LONG = (
    Kind("of 1 s", lambda path: Witnessed(path, 1.0, on_error="collect"), sizes=(3, 10)),
    Kind("of 0.3 s", lambda path: Witnessed(path, 0.3, on_error="collect"), sizes=(5, 30)),
    Kind("of 0.05 s, 20 a chunk", lambda path: Witnessed(path, 0.05, on_error="collect", chunk_size=20)),
    Kind("of 1 s, async", lambda path: AsyncWitnessed(path, 1.0, on_error="collect"), sizes=(3, 100)),
    Kind("of 1 s, in threads", lambda path: Witnessed(path, 1.0, on_error="collect", in_flight=4), sizes=(3, 30)),
)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_rolling_restarts_lose_nothing_and_repeat_nothing(tmp_path: Path, seed: int) -> None:
    oracle = path_in(tmp_path)
    took: list[float] = []
    with (
        new_cluster(workers=3, slots=2, env={"FLOWQ_SOFT_SHUTDOWN_S": str(SOFT_SHUTDOWN_S)}) as cluster,
        Load(cluster, oracle, random.Random(seed), kinds=(*KINDS, *LONG), backlog=300) as load,
    ):
        until(lambda: load.done > 50, 30, "work is under way")
        ends_at = time.monotonic() + ROLLING_S
        while time.monotonic() < ends_at:
            load.check_alive()
            cluster.add_worker()
            leaving = cluster.workers[len(took)]
            told_at = time.monotonic()
            os.kill(leaving.pid, signal.SIGTERM)
            assert leaving.process.wait(SOFT_SHUTDOWN_S + 10), f"{leaving.name} did not end"
            took.append(time.monotonic() - told_at)
            assert leaving.process.exit_status == 0
        rest_s = load.finish(60)
        load.check()
        print(
            f"\nseed {seed}: {len(took)} workers replaced in {ROLLING_S:g} s; each ended {min(took):.1f} to "
            f"{max(took):.1f} s after SIGTERM; the rest took {rest_s:.1f} s\n{load.summary()}"
        )
        assert max(took) < SOFT_SHUTDOWN_S
        states = [batch.handle.state() for batch in load.batches]
    twice = {item: count for item, count in times_run(oracle).items() if count > 1}
    assert not twice
    assert Counter((state.losses, state.crashes) for state in states) == {(0, 0): len(states)}


def test_a_worker_is_not_kept_from_ending_by_a_message_that_its_child_took_at_the_last_moment(tmp_path: Path) -> None:
    with new_cluster(workers=1, slots=1) as cluster:
        connections = connect(cluster)
        leaving = cluster.workers[0]
        child, _ = processes_of(leaving)
        warm = cluster.executor.submit(Witnessed(path_in(tmp_path)).job([3]))
        assert warm.result(timeout=30) == [value_of(3)]
        until(lambda: set(map(len, active(connections))) == {0}, 10, "the child waits for a message")
        child.suspend()
        handle = cluster.executor.submit(Witnessed(path_in(tmp_path)).job([7]))
        until(lambda: bytes_in_pipes(child.pid), 10, "the worker has written the message to its child")
        os.kill(leaving.pid, signal.SIGTERM)
        until(lambda: connections.redis.llen(queue_of(connections)) == 1, 10, "the worker gave its message back")
        child.resume()
        # Celery would have the child wait for half a minute until it is heard.
        assert leaving.process.wait(SOFT_SHUTDOWN_S), f"{leaving.name} did not end"
        cluster.add_worker()
        assert handle.result(timeout=30) == [value_of(7)]
        assert_once_each(connections, handle.id, 1)
        connections.close()
    assert set(times_run(path_in(tmp_path)).values()) == {1}


def active(connections: Connections) -> list[list[Any]]:
    """The tasks that each worker runs; no list if none answers."""
    return list((connections.app.control.inspect(timeout=1.0).active() or {}).values())


def bytes_in_pipes(pid: int) -> int:
    """What was written to the pipes of a process and not read yet (Linux)."""
    total = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        if os.readlink(path).startswith("pipe:"):
            with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb", buffering=0) as pipe:
                (waiting,) = struct.unpack("i", fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4))
                total += waiting
    return total
