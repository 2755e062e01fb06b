"""PocketFlow: its batch nodes in this one process, with nothing beside it. Local flows: see benchmarks.local_flow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from pocketflow import AsyncParallelBatchNode, BatchNode

from benchmarks import work
from benchmarks.systems.system import System


class Map(BatchNode):
    def prep(self, shared: Any) -> Any:
        return shared["items"]

    def exec(self, item: Any) -> Any:
        return self.params["function"](item)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["values"] = exec_res


class Naps(AsyncParallelBatchNode):
    """It gathers all items at once: the semaphore is the user's own."""

    async def prep_async(self, shared: Any) -> Any:
        self.places = asyncio.Semaphore(shared["in_flight"])
        return shared["items"]

    async def exec_async(self, item: float) -> float:
        async with self.places:
            await asyncio.sleep(item)
        return item


class PocketFlow(System):
    name: ClassVar[str] = "PocketFlow"
    setting: ClassVar[str] = "BatchNode, and AsyncParallelBatchNode with a semaphore of the user's; one process"

    def start(self, redis_url: str, slots: int) -> None:
        """Nothing to start: it runs in this process."""

    def stop(self) -> None:
        """Nothing to stop."""

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        node, shared = Map(), {"items": items}
        node.set_params({"function": getattr(work, function)})
        node.run(shared)
        values: list[Any] = shared["values"]  # type: ignore[assignment]
        return values

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        asyncio.run(Naps().run_async({"items": seconds, "in_flight": in_flight}))
