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


class Picks(flowq.ParallelBatchNode[int, int]):
    """Squares of seven items, of which item 3 fails; the whole result stays in the store as "found"."""

    def prep(self, shared: Any) -> list[int]:
        return list(range(7))

    def exec(self, item: int) -> int:
        if item == 3:
            raise ValueError("not three")
        return item * item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["found"] = exec_res


class Reads(flowq.Node[Any, None]):
    """A later node that reads what `Picks` left; what it sees is in "seen"."""

    def prep(self, shared: Any) -> Any:
        return shared["found"]

    def exec(self, prep_res: Any) -> Any:
        return seen_in(prep_res)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["seen"] = exec_res


class ReadsInItems(Places):
    """Its items read what `Picks` left in the store around them, and change nothing of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Reads(), collect="seen", merge="last", **options)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:  # type: ignore[override]
        shared["by_items"] = list(exec_res)


class PicksInItems(Places):
    """Each of its items maps into a sink and keeps the result under a key of its own."""

    def __init__(self, sink: str, **options: Any) -> None:
        super().__init__(PicksAtPlace(on_error="collect", sink=sink), **options)


class PicksAtPlace(Picks):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[f"found{self.params['place']}"] = exec_res


def seen_in(result: Any) -> dict[str, Any]:
    """All that a SinkResult tells, but for times, as plain data."""
    stats = result.stats()
    return {
        "type": type(result).__name__,
        "label": result.label,
        "values": list(result),
        "len": len(result),
        "parts": [(part.start, part.stop, part.n, Path(part.address).exists()) for part in result.parts],
        "outcomes": [(one.index, one.status, one.output, one.attempts, str(one.error)) for one in result.items],
        "errors": {index: f"{type(error).__name__}: {error}" for index, error in result.errors.items()},
        "counts": (stats.n, stats.ok, stats.failed, stats.cancelled, stats.fallback, stats.retried),
        "failed": [one.index for one in result.failed],
        "ended": (result.reason, result.cut_short, result.delta),
    }


class Twice(flowq.ParallelBatchNode[str, str]):
    def exec(self, item: str) -> str:
        return item * 2
