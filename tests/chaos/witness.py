"""Nodes whose every execution leaves a line in a file that Redis knows nothing of: the oracle of the chaos tests.

A line is written as an execution begins: one that was cut short counts as well.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flowq
from flowq.core.context import current_context
from tests.nodes import Refused, record


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution of an item."""

    batch: str
    index: int
    attempt: int
    pid: int
    at: float


def witness(path: str, ctx: flowq.ItemContext) -> None:
    """One line: batch, index, attempt, pid, time in seconds since the epoch."""
    batch, _, index = (ctx.idempotency_key or "").rpartition(":")
    record(path, f"{batch} {index} {ctx.attempt} {os.getpid()} {time.time():.6f}")


def executions(path: str | Path) -> list[Execution]:
    """The oracle's lines, as they were written."""
    if not Path(path).exists():
        return []
    rows = [line.split() for line in Path(path).read_text().splitlines()]
    return [Execution(batch, int(i), int(attempt), int(pid), float(at)) for batch, i, attempt, pid, at in rows]


def times_run(path: str | Path) -> Counter[tuple[str, int]]:
    """How often each item (batch, index) was begun anew; the further tries of one retry policy are not counted."""
    return Counter((one.batch, one.index) for one in executions(path) if one.attempt == 0)


# -- what becomes of an item is told by the item alone -------------------------------------------------------------


def seconds_of(item: int) -> float:
    """2 to 20 ms."""
    return (2 + item * 7919 % 19) / 1000


def fails(item: int) -> bool:
    return item % 101 == 7 and not falls_back(item)


def falls_back(item: int) -> bool:
    return item % 103 == 5


def needs_two_tries(item: int) -> bool:
    return item % 107 == 3


def value_of(item: int) -> int:
    return item * 3 + 1


class Witnessed(flowq.ParallelBatchNode[int, int]):
    """Items of 2 to 20 ms, or of *seconds*."""

    def __init__(self, path: str, seconds: float | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.seconds = path, seconds

    def lasts(self, item: int) -> float:
        return seconds_of(item) if self.seconds is None else self.seconds

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:
        witness(self.path, ctx)
        time.sleep(self.lasts(item))
        return value_of(item)


class AsyncWitnessed(Witnessed):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        witness(self.path, ctx)
        await asyncio.sleep(self.lasts(item))
        return value_of(item)


class Troubled(Witnessed):
    """Some items fail, some fall back, some succeed at their second try."""

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:
        witness(self.path, ctx)
        time.sleep(self.lasts(item))
        if fails(item) or falls_back(item) or (needs_two_tries(item) and ctx.attempt == 0):
            raise Refused(item)
        return value_of(item)

    def exec_fallback(self, prep_res: int, exc: Exception) -> int:
        if falls_back(prep_res):
            return value_of(prep_res)
        raise exc


class Found(flowq.Node):
    """The one step of a flow that runs once an item and adds to the store what it found."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, prep_res: Any) -> int:
        ctx = current_context()
        assert ctx is not None
        witness(self.path, ctx)
        time.sleep(seconds_of(self.params["item"]))
        return value_of(self.params["item"])

    def post(self, shared: Any, prep_res: Any, exec_res: int) -> None:
        shared["found"] = [*shared.get("found", []), exec_res]


def found_by_all(path: str, **options: Any) -> flowq.BatchFlow:
    """A BatchFlow whose items' changes are merged by the aggregator."""
    return flowq.BatchFlow(start=Found(path), collect="found", **options)


class Poisonous(Witnessed):
    """Some items kill the process that runs them, whenever they run; some raise MemoryError."""

    def __init__(
        self, path: str, killing: Sequence[int], crashing: Sequence[int], too_large: Sequence[int], **options: Any
    ) -> None:
        super().__init__(path, **options)
        self.killing, self.crashing, self.too_large = killing, crashing, too_large

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:
        witness(self.path, ctx)
        if item in self.killing:
            os.kill(os.getpid(), signal.SIGKILL)
        if item in self.crashing:
            ctypes.string_at(0)
        if item in self.too_large:
            raise MemoryError(f"item {item} is too large")
        time.sleep(self.lasts(item))
        return value_of(item)
