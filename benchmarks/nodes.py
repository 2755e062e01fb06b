"""The same work as flowq nodes, with the default policy."""

from __future__ import annotations

import asyncio
from typing import Any

import flowq
from benchmarks import work


class Noop(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return work.noop(item)


class Burn(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return work.burn(item)


class Nap(flowq.ParallelBatchNode[float, float]):
    def exec(self, item: float) -> float:
        return work.nap(item)


class AsyncNap(flowq.ParallelBatchNode[float, float]):
    async def exec(self, item: float) -> float:
        await asyncio.sleep(item)
        return item


class UseStore(flowq.Node):
    """An item of a BatchFlow that reads one value of the shared store."""

    def prep(self, shared: Any) -> int:
        return len(shared["context"])

    def exec(self, prep_res: int) -> int:
        return prep_res + self.params["n"]


class StoreFlow(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]


class Digest(flowq.ParallelBatchNode[Any, int]):
    """An item is a number and 128 characters that cannot be compressed; its value depends on all of it."""

    def exec(self, item: Any) -> int:
        return work.digest(item)


class FiftyNaps(flowq.ParallelBatchNode[float, float]):
    """Fifty items of 10 ms, wherever it stands."""

    def prep(self, shared: Any) -> list[float]:
        return [0.01] * 50

    def exec(self, item: float) -> float:
        return work.nap(item)


class Fifty(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(50)]


class Count(flowq.Node[Any, Any]):
    """A step that changes one small key."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["count"] = shared.get("count", 0) + 1
        return "again" if shared["count"] < self.steps else "done"


def counting(steps: int) -> flowq.Flow:
    """A flow of that many steps."""
    count = Count(steps)
    count - "again" >> count
    count - "done" >> flowq.Node()
    return flowq.Flow(count, name="Counting")
