"""Ray on this machine: two CPUs, plain tasks; async items in two async actors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import psutil
import ray

from benchmarks.systems import by_hand
from benchmarks.systems.death_watch import DeathWatch
from benchmarks.systems.system import System

CHUNKS_A_SLOT = 4
# Awaits in flight in one actor.
AWAITS = 1000
OBJECT_STORE_BYTES = 1 << 30
GRACE_S = 10.0


@ray.remote
class Naps:
    """An async actor: its concurrency is given where it is made, and it may be told to use less of it."""

    async def nap(self, seconds: float, at_once: int) -> float:
        return await by_hand.nap_within(seconds, at_once)


class Ray(System):
    name: ClassVar[str] = "Ray"
    setting: ClassVar[str] = (
        "local, num_cpus=2, no dashboard, no task events, no logs to the driver; plain tasks, waits by ray.get; by "
        f"hand: {CHUNKS_A_SLOT} chunks a slot; async: 2 async actors of max_concurrency {AWAITS:,}, a semaphore where "
        "fewer are to be in flight; store by ray.put, items in chunks"
    )
    costs_idle: ClassVar[bool] = True

    def __init__(self) -> None:
        self._actors: list[Any] = []
        self._remotes: dict[str, Any] = {}
        self._watch: DeathWatch | None = None

    def start(self, redis_url: str, slots: int) -> None:
        os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
        self._slots, self._before = slots, _children()
        ray.init(
            num_cpus=slots, include_dashboard=False, log_to_driver=False, logging_level="error",
            object_store_memory=OBJECT_STORE_BYTES, configure_logging=False, _node_ip_address="127.0.0.1",
        )  # fmt: skip
        self._remotes = {
            name: ray.remote(function).options(enable_task_events=False)
            for name, function in by_hand.functions().items()
        }
        # Without a CPU of their own: they do nothing while others run.
        made = Naps.options(max_concurrency=AWAITS, num_cpus=0, enable_task_events=False)
        self._actors = [made.remote() for _ in range(slots)]
        self.awaits([0.0] * 10 * slots, slots)
        self.map("noop", range(100 * slots))
        # They end by themselves when the program has, but not while they are stopped.
        self._watch = DeathWatch(*(process.pid for process in _children() - self._before))

    def stop(self) -> None:
        self._actors, self._remotes = [], {}
        if not ray.is_initialized():
            return
        if self._watch is not None:
            self._watch.end()
            self._watch = None
        mine = _children() - self._before
        ray.shutdown()
        _, alive = psutil.wait_procs(mine, timeout=GRACE_S)
        for process in alive:
            process.kill()
        psutil.wait_procs(alive, timeout=GRACE_S)

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        remote = self._remotes[function]
        return list(ray.get([remote.remote(item) for item in items]))

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._in_chunks("each", function, items)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        actors, at_once = self._actors, in_flight // self._slots
        ray.get([actors[turn % len(actors)].nap.remote(one, at_once) for turn, one in enumerate(seconds)])

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        # In chunks, because a task that gets a text makes it anew from its pickle.
        return self._in_chunks("weigh_each", ray.put(store), items)

    def _in_chunks(self, task: str, first: Any, items: Sequence[Any]) -> list[Any]:
        remote, chunks = self._remotes[task], by_hand.cut(items, CHUNKS_A_SLOT * self._slots)
        return by_hand.join(ray.get([remote.remote(first, chunk) for chunk in chunks]))


def _children() -> set[psutil.Process]:
    return set(psutil.Process().children(recursive=True))
