"""Nodes whose items fail until somebody mends what they need, for workers to import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flowq
from tests.nodes import Refused, record


class Mendable(flowq.ParallelBatchNode[int, int]):
    """The items in *failing* fail until *mended* exists. Notes each execution: index, key."""

    def __init__(
        self, path: str, mended: str, failing: Sequence[int] = (), seconds: float = 0.0, **options: Any
    ) -> None:
        super().__init__(**options)
        self.path, self.mended, self.failing, self.seconds = path, mended, failing, seconds

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        record(self.path, f"{ctx.item_index} {ctx.idempotency_key}")
        time.sleep(self.seconds)
        return self.judged(item)

    def judged(self, item: int) -> int:
        if item in self.failing and not Path(self.mended).exists():
            raise Refused(item)
        return item * 3


class AsyncMendable(Mendable):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        record(self.path, f"{ctx.item_index} {ctx.idempotency_key}")
        await asyncio.sleep(self.seconds)
        return self.judged(item)


class MendableStep(flowq.Node[int, int]):
    """One step of a batch flow's item, as Mendable; adds what it brings to the store."""

    def __init__(self, path: str, mended: str, failing: Sequence[int], **options: Any) -> None:
        super().__init__(**options)
        self.path, self.mended, self.failing = path, mended, failing

    def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        n = int(self.params["n"])
        record(self.path, f"{ctx.item_index} {ctx.idempotency_key}")
        if n in self.failing and not Path(self.mended).exists():
            raise Refused(n)
        return n

    def post(self, shared: Any, prep_res: Any, exec_res: int) -> None:
        shared["found"] = [*shared["found"], exec_res]


class MendableFlow(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]


class MendableKept(MendableFlow):
    """Keeps its result in the store."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:  # type: ignore[override]
        shared["result"] = exec_res


class MendableNote(flowq.Node[int, int]):
    """Notes its number in a store of any kind; that of 0 fails until *mended* exists."""

    def __init__(self, mended: str) -> None:
        super().__init__()
        self.mended = mended

    def exec(self, prep_res: Any) -> int:
        n = int(self.params["n"])
        if n == 0 and not Path(self.mended).exists():
            raise Refused(n)
        return n

    def post(self, shared: Any, prep_res: Any, exec_res: int) -> None:
        shared[f"note {exec_res}"] = exec_res


def executed(path: str | Path) -> list[tuple[int, str]]:
    """Each execution so far: index and idempotency key."""
    lines = Path(path).read_text().splitlines() if Path(path).exists() else []
    return [(int(index), key) for index, key in (line.split() for line in lines)]


class MendsInPost(Mendable):
    """Its ``post`` mends what the failed items need, and has them run again."""

    def prep(self, shared: Any) -> Any:
        return range(shared["count"])

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:  # type: ignore[override]
        shared["still"] = sorted(exec_res.retry_failed().errors)
        Path(self.mended).touch()
        result = exec_res.retry_failed()
        shared["again"], shared["attempts"] = list(result), [one.attempts for one in result.items]
        shared["first"] = list(exec_res)


class AsyncMendsInPost(AsyncMendable):
    """As MendsInPost, in an event loop."""

    def prep(self, shared: Any) -> Any:
        return range(shared["count"])

    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:  # type: ignore[override]
        await asyncio.to_thread(Path(self.mended).touch)
        shared["again"] = list(await exec_res.retry_failed_async())


class MendsFlowInPost(MendableFlow):
    """As MendsInPost, of a batch flow; the changes of all items are brought into another store."""

    def __init__(self, start: flowq.Node[Any, Any], mended: str, **options: Any) -> None:
        super().__init__(start, **options)
        self.mended = mended

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:  # type: ignore[override]
        Path(self.mended).touch()
        again = exec_res.retry_failed()
        whole: dict[str, Any] = {"found": [], "count": 0}
        self.take(whole, again)
        shared["first"], shared["again"], shared["failed"] = list(shared["found"]), whole["found"], len(again.failed)
