"""multiprocessing.Pool: what one machine allows. With chunksize 1 it is the "ideal" of items that take time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from functools import partial
from multiprocessing.pool import Pool
from typing import Any, ClassVar

from benchmarks import work
from benchmarks.systems.system import System


class ProcessPool(System):
    name: ClassVar[str] = "multiprocessing.Pool"
    setting: ClassVar[str] = (
        "Pool(2).map; chunksize 1 for one task an item, its own choice for chunks; forkserver; "
        "store in one chunk a slot"
    )

    def __init__(self) -> None:
        self._pool: Pool | None = None

    def start(self, redis_url: str, slots: int) -> None:
        self._slots = slots
        # Not fork: this program has threads by now, those of the systems it stands beside.
        self._pool = multiprocessing.get_context("forkserver").Pool(slots)
        self.map("noop", range(100))

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._running.map(getattr(work, function), items, chunksize=1)

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._running.map(getattr(work, function), items)

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        # The store is pickled once a chunk.
        return self._running.map(partial(work.weigh, store), items, chunksize=-(-len(items) // self._slots))

    @property
    def _running(self) -> Pool:
        assert self._pool is not None
        return self._pool
