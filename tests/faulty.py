"""Nodes that are killed, that kill, or that hold on to their process, for workers to import; and their oracle.

The oracle is a file with a line as an execution begins and one as it ends, so that one which was cut short is seen too.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flowq
from tests.nodes import Refused, record


@dataclass(frozen=True)
class Execution:
    """One execution of an item; ``ended`` is None where it never came to its end (or has not yet)."""

    index: int
    attempt: int
    pid: int
    began: float
    ended: float | None


def begins(path: str | Path, index: int, attempt: int = 0) -> Callable[[], None]:
    """Note that an execution begins; call what this returns as it ends."""
    name = f"{index} {attempt} {os.getpid()} {time.time():.6f}"
    record(str(path), name)
    return lambda: record(str(path), f"{name} {time.time():.6f}")


def trace(path: str | Path) -> list[Execution]:
    """The executions so far, in the order they began."""
    found: dict[str, Execution] = {}
    for line in Path(path).read_text().splitlines() if Path(path).exists() else ():
        index, attempt, pid, began, *ended = line.split()
        name = f"{index} {attempt} {pid} {began}"
        found[name] = Execution(int(index), int(attempt), int(pid), float(began), float(ended[0]) if ended else None)
    return list(found.values())


def runs_of(path: str | Path) -> dict[int, int]:
    """How often each index was begun."""
    counts: dict[int, int] = {}
    for one in trace(path):
        counts[one.index] = counts.get(one.index, 0) + 1
    return counts


class Traced(flowq.ParallelBatchNode[int, int]):
    """Sleeps *seconds*, or what *slow* says for an item."""

    def __init__(self, path: str, seconds: float = 0.005, slow: dict[int, float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.seconds, self.slow = path, seconds, slow or {}

    def exec(self, item: int) -> int:
        ends = begins(self.path, item)
        time.sleep(self.slow.get(item, self.seconds))
        ends()
        return item * 3


class AsyncTraced(Traced):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        ends = begins(self.path, item)
        await asyncio.sleep(self.slow.get(item, self.seconds))
        ends()
        return item * 3


class TracedStep(flowq.Node[int, int]):
    """Takes half a second where its item is one of *slow*."""

    def __init__(self, path: str, slow: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.path, self.slow = path, slow

    def prep(self, shared: Any) -> int:
        return int(self.params["n"])

    async def exec(self, prep_res: int) -> int:
        ends = begins(self.path, prep_res)
        await asyncio.sleep(0.5 if prep_res in self.slow else 0.05)
        ends()
        return prep_res


class TracedFlow(flowq.BatchFlow):
    """So many items of one step."""

    def __init__(self, path: str, n: int, slow: Sequence[int] = (), **options: Any) -> None:
        super().__init__(TracedStep(path, slow), **options)
        self.n = n

    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(self.n)]


class HoldsTheGil(Traced):
    """Calls into C that let no other thread of their process run: a long one, and more until *seconds* have passed."""

    def exec(self, item: int) -> int:
        ends = begins(self.path, item)
        until, n = time.perf_counter() + self.seconds, 1_000_000
        while (left := until - time.perf_counter()) > 0:
            sum(range(n))
            # A little short: another that wants the core makes it longer.
            n = int(0.7 * n * left / (left - until + time.perf_counter()))
        ends()
        return item * 3


class Deadly(Traced):
    """The items in *deadly* kill the process that runs them, every time."""

    def __init__(self, path: str, deadly: Sequence[int], seconds: float = 0.005, **options: Any) -> None:
        super().__init__(path, seconds, **options)
        self.deadly = deadly

    def exec(self, item: int) -> int:
        ends = begins(self.path, item)
        if item in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(self.seconds)
        ends()
        return item * 3


class AsyncDeadly(Deadly):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        ends = begins(self.path, item)
        await asyncio.sleep(self.seconds)
        if item in self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)
        ends()
        return item * 3


class BreaksOff(Traced):
    """The items in *breaking* raise what is neither an item's failure nor the end of its process."""

    def __init__(self, path: str, breaking: Sequence[int], **options: Any) -> None:
        super().__init__(path, **options)
        self.breaking = breaking

    def exec(self, item: int) -> int:
        value = super().exec(item)
        if item in self.breaking:
            raise GeneratorExit
        return value


class TriesAgain(Traced):
    """The items in *failing* fail on their first *failures* tries; the next one takes *last_s*. Says how often."""

    def __init__(
        self, path: str, failing: Sequence[int], failures: int = 1, last_s: float = 0.0, **options: Any
    ) -> None:
        super().__init__(path, **options)
        self.failing, self.failures, self.last_s = failing, failures, last_s

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        ends = begins(self.path, item, ctx.attempt)
        if item in self.failing and ctx.attempt < self.failures:
            ends()
            raise Refused(f"item {item}, try {ctx.attempt}")
        time.sleep(self.last_s if item in self.failing else self.seconds)
        ends()
        return ctx.attempt


class AsyncTriesAgain(TriesAgain):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        ends = begins(self.path, item, ctx.attempt)
        await asyncio.sleep(self.seconds)
        ends()
        if item in self.failing and ctx.attempt < self.failures:
            raise Refused(f"item {item}, try {ctx.attempt}")
        return ctx.attempt
