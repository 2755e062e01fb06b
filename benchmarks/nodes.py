"""The same work as flowq nodes, with the default policy."""

from __future__ import annotations

import asyncio
from typing import Any

import flowq
from benchmarks import work


class Noop(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return item


class Burn(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return work.burn(item)


class Nap(flowq.ParallelBatchNode[float, float]):
    def exec(self, item: float) -> float:
        return work.nap(item)


class Turn(flowq.ParallelBatchNode[str, str]):
    def exec(self, item: str) -> str:
        return work.turned(item)


class AsyncNap(flowq.ParallelBatchNode[float, float]):
    async def exec(self, item: float) -> float:
        await asyncio.sleep(item)
        return item


class UseStore(flowq.Node[int, int]):
    """An item of a BatchFlow that reads the whole of the shared context, which lies there in parts."""

    def prep(self, shared: Any) -> int:
        return sum(len(shared[f"part {number}"]) for number in range(shared["parts"])) + int(self.params["n"])

    def post(self, shared: Any, prep_res: int, exec_res: Any) -> None:
        shared["weights"] = {self.params["n"]: prep_res}


class StoreFlow(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]


class Digest(flowq.ParallelBatchNode[Any, int]):
    """An item is a number and 128 characters that cannot be compressed; its value depends on all of it."""

    def exec(self, item: Any) -> int:
        return work.digest(item)


class GroupNap(flowq.ParallelBatchNode[float, float]):
    """The items of one group, inside an item of `NapGroups`."""

    def prep(self, shared: Any) -> list[float]:
        seconds: list[float] = self.params["seconds"]
        return seconds

    def exec(self, item: float) -> float:
        return work.nap(item)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["naps"] = {self.params["n"]: list(exec_res)}


class NapGroups(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, Any]]:
        return [{"n": n, "seconds": seconds} for n, seconds in enumerate(shared["groups"])]


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


class Echo(flowq.ParallelBatchNode[Any, Any]):
    """What goes in comes out."""

    def exec(self, item: Any) -> Any:
        return item


class Outlive(flowq.ParallelBatchNode[str, int]):
    """An item that notes when it begins, and by whom; it waits to be killed the first time, then it ends."""

    def exec(self, item: str) -> int:
        return work.begun(item)


class Total(flowq.ReduceNode):
    """A reduction over numbers: each item one more partial of the aggregator."""

    def combine(self, a: int, b: int) -> int:
        return a + b


class Tally(flowq.Node[Any, Any]):
    """An item of a BatchFlow that changes two keys of the store: a sum and a list."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["sum"] = shared.get("sum", 0) + self.params["n"]


class TallyFlow(flowq.BatchFlow):
    def prep(self, shared: Any) -> Any:
        return ({"n": n} for n in range(shared["count"]))


class ReadParts(flowq.Node[Any, Any]):
    """An item of a BatchFlow that reads the first *parts* keys of the store."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.parts = parts

    def prep(self, shared: Any) -> int:
        return sum(len(shared[f"part {number}"]) for number in range(self.parts))

    def exec(self, prep_res: int) -> int:
        return prep_res + self.params["n"]
