"""asyncio.gather with a semaphore in each of a pool's processes: what one machine allows for items that wait."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from benchmarks import work
from benchmarks.systems.pool import ProcessPool
from benchmarks.systems.system import CannotRun


class Gather(ProcessPool):
    name: ClassVar[str] = "asyncio.gather"
    setting: ClassVar[str] = "one process a slot; in each an asyncio.gather of its share under one semaphore"

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        if function != "noop":
            raise CannotRun("for items that wait")
        return super().map(function, items)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        shares = [(seconds[first :: self._slots], in_flight // self._slots) for first in range(self._slots)]
        done = self._running.map(work.gather, shares, chunksize=1)
        assert sum(done) == len(seconds)
