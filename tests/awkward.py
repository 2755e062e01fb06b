"""Nodes whose items end in ways of their own, for workers to import."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import flowq
from tests.nodes import Refused


class Panic(BaseException):
    """As extensions and test tools raise: not even an Exception."""


def breaks(how: str) -> None:
    """End as *how* says."""
    if how == "cancelled":
        asyncio.run(_cancelled())
    raise Panic("no more") if how == "panic" else asyncio.CancelledError


async def _cancelled() -> None:
    inner = asyncio.ensure_future(asyncio.Event().wait())
    inner.cancel()
    await inner


class Breaks(flowq.ParallelBatchNode[int, int]):
    """Item 2 ends with what is no Exception."""

    def __init__(self, how: str, **options: Any) -> None:
        super().__init__(**options)
        self.how = how

    def exec(self, item: int) -> int:
        if item == 2:
            breaks(self.how)
        return item

    def exec_fallback(self, prep_res: int, exc: Exception) -> int:
        if isinstance(exc, Refused):
            breaks(self.how)
        raise exc


class BreaksAsync(Breaks):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        if item == 2:
            await (_cancelled() if self.how == "cancelled" else asyncio.to_thread(breaks, self.how))
        return item


class BreaksAll(Breaks):
    """The same, several items a call; it says so of one item."""

    def exec_many(self, items: Sequence[int]) -> list[Any]:
        return [Panic("no more") if item == 2 else item for item in items]


class BreaksCalls(Breaks):
    """The same, one item a call."""

    async def exec_many(self, items: Sequence[int]) -> list[int]:
        if 2 in items:
            await _cancelled()
        return list(items)


class BreaksInFallback(Breaks):
    """The fallback of item 2 does."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise Refused("two")
        return item


class BreakingStep(flowq.Node[int, None]):
    def prep(self, shared: Any) -> int:
        return int(self.params["n"])

    def exec(self, prep_res: int) -> None:
        if prep_res == 2:
            breaks("cancelled")

    def post(self, shared: Any, prep_res: int, exec_res: None) -> None:
        shared["seen"] = [prep_res]


class BreakingFlow(flowq.BatchFlow):
    """The item of 2 ends with what is no Exception, in a node of its flow."""

    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(4)]


class EndsItsProcess(flowq.ParallelBatchNode[int, int]):
    """Item 2 ends the process that runs it."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise SystemExit(3)
        return item


class ClosesItself(flowq.ParallelBatchNode[int, int]):
    """Item 2 ends with what neither an item nor a process ends with."""

    def exec(self, item: int) -> int:
        if item == 2:
            raise GeneratorExit
        return item


class ClosesItselfAsync(ClosesItself):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        return ClosesItself.exec(self, item)
