"""Nodes whose items wait until they are told that nobody wants them any more, for workers to import."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import flowq
from tests.nodes import Refused, record

TOO_LONG_S = 20.0


class Waits(flowq.ParallelBatchNode[int, str]):
    """Items below 0 fail once *others* wait (async ones after a while); the others wait, and note how that ended."""

    def __init__(self, path: str, others: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.others = path, others

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> str:  # type: ignore[override]
        record(self.path, f"{item} begins")
        until = time.monotonic() + TOO_LONG_S
        while not ctx.cancelled and time.monotonic() < until:
            if item < 0 and noted(self.path, "begins") > self.others:
                raise Refused(item)
            time.sleep(0.01)
        record(self.path, f"{item} {'told' if ctx.cancelled else 'forgotten'}")
        return "whatever"


class WaitsInside(Waits):
    """A step of a batch flow's item: a batch of two such items."""

    def prep(self, shared: Any) -> list[int]:
        return [0, 1]


class AsyncWaits(Waits):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> str:  # type: ignore[override]
        record(self.path, f"{item} begins")
        try:
            await asyncio.sleep(TOO_LONG_S if item >= 0 else 0.5)
        except asyncio.CancelledError:
            record(self.path, f"{item} told")
            raise
        raise Refused(item)


def noted(path: str, word: str) -> int:
    """How many items have noted *word*."""
    return sum(line.endswith(word) for line in Path(path).read_text().splitlines()) if Path(path).exists() else 0
