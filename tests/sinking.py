"""Nodes with a sink that run inside what runs on a worker, for the tests' workers to import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import flowq
from tests.nodes import Square, record
from tests.waiting import until


class Here(flowq.BatchNode[int, int]):
    """Squares in the process that runs the flow, each noted in the file *said*; tells how its batch went."""

    def __init__(self, said: str, **options: Any) -> None:
        super().__init__(**options)
        self.said = said

    def prep(self, shared: Any) -> list[int]:
        return [0, 1, 2]

    def exec(self, item: int) -> int:
        record(self.said, str(item))
        return item * item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["values"] = list(exec_res)
        shared["errors"] = [str(error) for error in exec_res.errors.values()]
        shared["attempts"] = [one.attempts for one in exec_res.items]


class AsyncHere(Here):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        return Here.exec(self, item)


class ManyHere(Here):
    def exec_many(self, items: list[int]) -> list[int]:
        return [Here.exec(self, item) for item in items]


class Places(flowq.BatchFlow):
    """Runs its flow for two places."""

    def prep(self, shared: Any) -> list[dict[str, Any]]:
        return [{"place": 0}, {"place": 1}]


class Inside(flowq.ParallelBatchNode[int, list[str]]):
    """Maps over a batch with a sink within an item; answers what that failed with, by the names of its items."""

    def __init__(self, sink: str, **options: Any) -> None:
        super().__init__(**options)
        self.inner_sink = sink

    def exec(self, item: int) -> list[str]:
        result = Square(sink=self.inner_sink, on_error="collect").map([item, item])
        return [f"{type(error).__name__}: {error}" for error in result.errors.values()]


class Waits(flowq.ParallelBatchNode[int, int]):
    """Two items; the second waits for the file *go*. What they brought is in "values"."""

    def __init__(self, go: str, **options: Any) -> None:
        super().__init__(**options)
        self.go = go

    def prep(self, shared: Any) -> list[int]:
        return [0, 1]

    def exec(self, item: int) -> int:
        if item:
            until(Path(self.go).exists, 30, "the test lets it go on")
        return item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["values"] = list(exec_res)
