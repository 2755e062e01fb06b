"""Nodes and flows of batches within batches, which the tests' workers import."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import flowq


def note(path: str, what: str) -> None:
    """One line an execution: the oracle that Redis knows nothing of."""
    with Path(path).open("a") as file:
        file.write(f"{what} {os.getpid()} {time.time()}\n")


class Leaves(flowq.ParallelBatchNode[int, int]):
    """Squares of 0 … width, in key "leaves"."""

    def __init__(self, width: int, sleep_s: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.width, self.sleep_s = width, sleep_s

    def prep(self, shared: Any) -> list[int]:
        shared["seen"] = [self.params.get("place", 0)]
        return list(range(self.width))

    def exec(self, item: int) -> int:
        if self.sleep_s:
            time.sleep(self.sleep_s)
        return item * item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        assert list(prep_res) == list(range(self.width))
        shared["total"] = shared.get("total", 0) + sum(exec_res)
        return "done"


class AsyncLeaves(Leaves):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(self.sleep_s)
        return item * item


class Level(flowq.BatchFlow):
    """Runs its flow for *width* places; totals are added up."""

    def __init__(self, start: flowq.Node[Any, Any], width: int, **options: Any) -> None:
        super().__init__(start, merge={"total": "Add"}, **options)
        self.width = width

    def prep(self, shared: Any) -> list[Mapping[str, Any]]:
        return [{"place": place} for place in range(self.width)]


class After(flowq.Node[Any, Any]):
    """Runs after a batch node, in the same item."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["after"] = [self.params.get("place")]
        return "after"


def tower(depth: int, width: int) -> flowq.Node[Any, Any]:
    """*depth* levels of *width* each, the innermost a ParallelBatchNode."""
    node: flowq.Node[Any, Any] = Leaves(width)
    for _ in range(depth - 1):
        node = Level(node, width)
    return node
