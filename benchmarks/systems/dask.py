"""Dask distributed: a scheduler and two workers of one thread, each a process."""

from __future__ import annotations

import pickle
import tempfile
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from distributed import Client

from benchmarks import work
from benchmarks.systems import by_hand
from benchmarks.systems.processes import Processes
from benchmarks.systems.system import System

CHUNKS_A_SLOT = 2
READY_S = 60.0
SETTINGS = {
    "DASK_DISTRIBUTED__SCHEDULER__WORKER_SATURATION": "inf",
    "DASK_DISTRIBUTED__WORKER__PROFILE__ENABLED": "False",
    "DASK_DISTRIBUTED__SCHEDULER__ACTIVE_MEMORY_MANAGER__START": "False",
    "DASK_LOGGING__DISTRIBUTED": "error",
}


def pickled(task: Callable[..., list[Any]], *arguments: Any) -> bytes:
    """A chunk for a worker. Dask looks at each element of a list that a task returns, 20 µs for each; at bytes not."""
    *first, chunk = arguments
    return pickle.dumps(task(*first, pickle.loads(chunk)))


class Dask(System):
    name: ClassVar[str] = "Dask"
    setting: ClassVar[str] = (
        "scheduler and 2 workers of 1 thread over TCP, worker-saturation inf, no dashboard, no profiler; waits by "
        f"gather; by hand: {CHUNKS_A_SLOT} chunks a slot, pickled both ways; async: a thread slot an item in flight; "
        "store scattered"
    )

    # The heartbeats of its processes.
    costs_idle: ClassVar[bool] = True

    def __init__(self) -> None:
        self._items, self._awaits, self._in_flight = Processes(), Processes(), 0
        self._client: Client | None = None
        self._awaiting: Client | None = None

    def start(self, redis_url: str, slots: int) -> None:
        # It would rather scatter what is sent to one task only.
        warnings.filterwarnings("ignore", "Sending large graph")
        self._slots = slots
        self._client = self._cluster(self._items, 1)
        self._client.gather(self._client.map(work.noop, range(10 * slots), pure=False))

    def stop(self) -> None:
        for client in (self._client, self._awaiting):
            if client is not None:
                # The scheduler and its workers end by themselves; who does not is ended below.
                client.shutdown()
        self._client = self._awaiting = None
        self._items.stop()
        self._awaits.stop()

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        assert self._client is not None
        return list(self._client.gather(self._client.map(getattr(work, function), list(items), pure=False)))

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        assert self._client is not None
        return self._in_chunks(partial(by_hand.each, function), items)

    def one(self, item: int) -> Any:
        assert self._client is not None
        return self._client.submit(work.noop, item, pure=False).result()

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        if self._in_flight != in_flight:
            if self._awaiting is not None:
                self._awaiting.shutdown()
            self._awaits.stop()
            self._awaits, self._in_flight = Processes(), in_flight
            self._awaiting = self._cluster(self._awaits, in_flight // self._slots)
        assert self._awaiting is not None
        self._awaiting.gather(self._awaiting.map(by_hand.nap_async, list(seconds), pure=False))

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        assert self._client is not None
        scattered = self._client.scatter(store, broadcast=True, hash=False)
        return self._in_chunks(by_hand.weigh_each, items, scattered)

    def _in_chunks(self, task: Callable[..., list[Any]], items: Sequence[Any], *first: Any) -> list[Any]:
        assert self._client is not None
        chunks = [pickle.dumps(chunk) for chunk in by_hand.cut(items, CHUNKS_A_SLOT * self._slots)]
        futures = [self._client.submit(pickled, task, *first, chunk, pure=False) for chunk in chunks]
        return by_hand.join([pickle.loads(values) for values in self._client.gather(futures)])

    def _cluster(self, processes: Processes, threads: int) -> Client:
        """A scheduler and its workers, and a client of theirs once they are all there."""
        with tempfile.TemporaryDirectory() as folder:
            return self._met(processes, threads, Path(folder, "scheduler.json"))

    def _met(self, processes: Processes, threads: int, where: Path) -> Client:
        file = ("--scheduler-file", str(where))
        processes.start_module(
            "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--no-show", *file, env=SETTINGS,
        )  # fmt: skip
        processes.await_ready(where.exists)
        for _ in range(self._slots):
            processes.start_module(
                "distributed.cli.dask_worker", *file, "--host", "127.0.0.1", "--nthreads", str(threads),
                "--no-nanny", "--no-dashboard", "--memory-limit", "0", env=SETTINGS,
            )  # fmt: skip
        client = Client(scheduler_file=str(where), timeout=READY_S)
        client.wait_for_workers(self._slots, timeout=READY_S)
        return client
