"""What strikes a fleet: five kinds of fault on a random schedule, or eleven, with their times and victims noted.

It keeps the fleet alive as its operator would: a killed worker is replaced, a frozen one goes on after a while.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import psutil  # type: ignore[import-untyped]

import flowq
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.local.local_worker import LocalWorker
from tests.chaos.fleet import connect, processes_of, queue_of

EVERY_S = 2.0
FROZEN_S = 8.0
REDIS_AWAY_S = 0.5
FULL_S = 2.0


@dataclass(frozen=True, slots=True)
class Strike:
    """One fault: what it did to whom, and when (monotonic)."""

    what: str
    at: float


class Spared(Exception):
    """A strike that did not take place; says why."""


class Striker:
    """Strikes *cluster* every two seconds while `run` runs.

    Args:
        cluster: with a Redis of its own.
        rng: says when what strikes whom.
        every_s: seconds between two strikes.

    Attributes:
        strikes: what it did, in order.
    """

    def __init__(self, cluster: flowq.LocalCluster, rng: random.Random, every_s: float = EVERY_S) -> None:
        self._cluster, self._rng, self._every_s = cluster, rng, every_s
        self._connections = connect(cluster)
        self._frozen: dict[LocalWorker, float] = {}
        self._replacing = ThreadPoolExecutor(1, thread_name_prefix="operator")
        self._replacements: list[Future[LocalWorker]] = []
        self._pause = threading.Event()
        self.strikes: list[Strike] = []

    def kinds(self) -> list[Callable[[], str]]:
        """What may strike; each says what it did."""
        return [self._kill_worker, self._kill_child, self._freeze_worker, self._restart_redis, self._delete_queue]

    def run(self, seconds: float, check_alive: Callable[[], None]) -> None:
        """Strike for so long; at its end the fleet is whole again: nobody frozen, the dead replaced."""
        kinds = self.kinds()
        ends_at = time.monotonic() + seconds
        next_at = time.monotonic()
        while next_at < ends_at:
            self._wait_until(next_at)
            check_alive()
            # Every kind at least once in so many strikes, in another order each time.
            if len(self.strikes) % len(kinds) == 0:
                self._rng.shuffle(kinds)
            at = time.monotonic()
            try:
                what = kinds[len(self.strikes) % len(kinds)]()
            except Spared as reason:
                what = f"spared: {reason}"
            self.strikes.append(Strike(what, at))
            next_at += self._every_s
        while self._frozen:
            self._wait_until(min(self._frozen.values()))
            self._thaw()
        for replacement in self._replacements:
            replacement.result(timeout=60)
        self._replacing.shutdown()
        self._connections.close()

    def _wait_until(self, moment: float) -> None:
        """The schedule: strikes come at their times, whatever the fleet is doing."""
        while (left_s := moment - time.monotonic()) > 0:
            self._thaw()
            self._pause.wait(min(left_s, 0.1))

    def _thaw(self) -> None:
        for worker, until in list(self._frozen.items()):
            if time.monotonic() >= until:
                del self._frozen[worker]
                worker.kill(signal.SIGCONT)

    def _awake(self) -> list[LocalWorker]:
        return [worker for worker in self._cluster.workers if worker.ready and worker not in self._frozen]

    def _one_of_several(self) -> LocalWorker:
        """A worker that may be lost."""
        awake = self._awake()
        if len(awake) < 2:
            raise Spared("it would have been the last worker awake")
        return self._rng.choice(awake)

    def _child_of_some(self) -> tuple[LocalWorker, psutil.Process]:
        """A process that runs items, and its worker."""
        worker = self._rng.choice(self._awake())
        children = [process for process in processes_of(worker) if process.pid != worker.pid]
        if not children:
            raise Spared(f"{worker.name} has no child yet")
        return worker, self._rng.choice(children)

    # -- the five kinds --------------------------------------------------------------------------------------------

    def _kill_worker(self) -> str:
        worker = self._one_of_several()
        worker.kill()
        self._replacements.append(self._replacing.submit(self._cluster.add_worker))
        return f"SIGKILL worker {worker.name}"

    def _kill_child(self) -> str:
        worker, child = self._child_of_some()
        os.kill(child.pid, signal.SIGKILL)
        return f"SIGKILL child {child.pid} of {worker.name}"

    def _freeze_worker(self) -> str:
        worker = self._one_of_several()
        worker.kill(signal.SIGSTOP)
        self._frozen[worker] = time.monotonic() + FROZEN_S
        return f"SIGSTOP worker {worker.name} for {FROZEN_S:g} s"

    def _restart_redis(self) -> str:
        self._cluster.redis.kill()
        self._pause.wait(self._rng.uniform(0, REDIS_AWAY_S))
        self._cluster.redis.restart()
        return "SIGKILL Redis and restart it"

    def _delete_queue(self) -> str:
        try:
            self._connections.redis.delete(queue_of(self._connections))
        except REDIS_ERRORS as error:
            raise Spared(f"the queue could not be deleted: {error!r}") from error
        return "delete the queue"


class HarderStriker(Striker):
    """Knows six more: of single processes, of connections, and of a Redis that forgets, is full, or stands still."""

    def kinds(self) -> list[Callable[[], str]]:
        more = [self._kill_main, self._freeze_child, self._cut_connections, self._forget_scripts]
        return [*super().kinds(), *more, self._fill_redis, self._freeze_redis]

    def _kill_main(self) -> str:
        worker = self._one_of_several()
        os.kill(worker.pid, signal.SIGKILL)
        self._replacements.append(self._replacing.submit(self._cluster.add_worker))
        return f"SIGKILL main process of {worker.name} alone"

    def _freeze_child(self) -> str:
        worker, child = self._child_of_some()
        child.suspend()
        self._pause.wait(self._every_s)
        child.resume()
        return f"SIGSTOP child {child.pid} of {worker.name} for {self._every_s:g} s"

    def _cut_connections(self) -> str:
        cut = self._connections.redis.client_kill_filter(_type="normal", skipme=True)
        return f"CLIENT KILL of {cut} connections"

    def _forget_scripts(self) -> str:
        self._connections.redis.script_flush()
        return "SCRIPT FLUSH"

    def _fill_redis(self) -> str:
        self._connections.redis.config_set("maxmemory", "100kb")
        self._pause.wait(FULL_S)
        self._connections.redis.config_set("maxmemory", 0)
        return f"Redis is full for {FULL_S:g} s"

    def _freeze_redis(self) -> str:
        redis = psutil.Process(self._cluster.redis.pid)
        redis.suspend()
        self._pause.wait(FULL_S)
        redis.resume()
        return f"SIGSTOP Redis for {FULL_S:g} s"
