"""Nodes that say under which ``ctx.idempotency_key`` each try of an item ran, for workers to import."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flowq
from tests.nodes import Refused, record


@dataclass(frozen=True)
class Try:
    """One try of one item, as it began."""

    index: int
    attempt: int
    pid: int
    key: str


class SaysItsKey(flowq.ParallelBatchNode[int, str]):
    """Takes *seconds* an item and answers its key; the items in *failing* fail until their third try."""

    def __init__(self, path: str, seconds: float = 0.0, failing: tuple[int, ...] = (), **options: Any) -> None:
        super().__init__(**options)
        self.path, self.seconds, self.failing = path, seconds, failing

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> str:  # type: ignore[override]
        key = self.says(ctx)
        time.sleep(self.seconds)
        return key

    def says(self, ctx: flowq.ItemContext) -> str:
        record(self.path, f"{ctx.item_index} {ctx.attempt} {os.getpid()} {ctx.idempotency_key}")
        if ctx.item_index in self.failing and ctx.attempt < 2:
            raise Refused(f"item {ctx.item_index}, try {ctx.attempt}")
        return str(ctx.idempotency_key)


class AsyncSaysItsKey(SaysItsKey):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> str:  # type: ignore[override]
        key = self.says(ctx)
        await asyncio.sleep(self.seconds)
        return key


def tries(path: str) -> list[Try]:
    """What was said so far, in the order it was."""
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    said = (line.split() for line in lines)
    return [Try(int(index), int(attempt), int(pid), key) for index, attempt, pid, key in said]
