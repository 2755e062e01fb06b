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


class Places(flowq.BatchFlow):
    """Runs its flow for two places."""

    def prep(self, shared: Any) -> list[Mapping[str, Any]]:
        return [{"place": 0}, {"place": 1}]


class Keeps(Leaves):
    """Keeps what its batch brought, as it is."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["kept"] = exec_res
        shared[f"of {self.params['place']}"] = exec_res
        return "done"


class Adds(flowq.Node[Any, Any]):
    """One more at the end of a list of the store."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["kept"] = [*shared["kept"], self.params["place"]]


class Answers(flowq.ParallelBatchNode[Any, Any]):
    """What a batch of an item's parts brought: alone, or within other things."""

    def exec(self, item: list[Any]) -> Any:
        result = Parts().map(item)
        return result if len(item) < 2 else {"all": result, 1: (result, result)}


class Parts(flowq.ParallelBatchNode[Any, Any]):
    def exec(self, item: Any) -> Any:
        return bytearray(b"x") if item is None else {item: item}


class After(flowq.Node[Any, Any]):
    """Runs after a batch node, in the same item."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["after"] = [self.params.get("place")]
        return "after"


class AddsOne(flowq.Node[Any, None]):
    """Adds one to key "n"."""

    def post(self, shared: Any, prep_res: Any, exec_res: None) -> None:
        shared["n"] += 1


class RunsFlows(flowq.ParallelBatchNode[int, int]):
    """Runs a flow, and one of branches, in each item."""

    def exec(self, item: int) -> int:
        shared = {"n": item}
        flowq.Flow(AddsOne()).run(shared)
        flowq.Flow(flowq.Parallel(AddsOne(), merge={"n": "Add"})).run(shared)
        return shared["n"]


class RunsFlowsAsync(flowq.ParallelBatchNode[int, int]):
    """Runs a flow in each async item."""

    async def exec(self, item: int) -> int:  # type: ignore[override]
        shared = {"n": item}
        await flowq.Flow(AddsOne()).run_async(shared)
        flowq.Flow(AddsOne()).run(shared)
        return shared["n"]


class RunsFlowsHere(RunsFlowsAsync, flowq.BatchNode[int, int]):
    """The same, item after item in the process that maps it."""


def tower(depth: int, width: int) -> flowq.Node[Any, Any]:
    """*depth* levels of *width* each, the innermost a ParallelBatchNode."""
    node: flowq.Node[Any, Any] = Leaves(width)
    for _ in range(depth - 1):
        node = Level(node, width)
    return node


class Step(flowq.Node[Any, Any]):
    """Notes that it ran, and adds its mark to the store."""

    def __init__(self, mark: str, path: str, sleep_s: float = 0.0) -> None:
        super().__init__(name=mark)
        self.mark, self.path, self.sleep_s = mark, path, sleep_s

    def exec(self, prep_res: Any) -> str:
        note(self.path, f"{self.mark} begins")
        time.sleep(self.sleep_s)
        note(self.path, f"{self.mark} ends")
        return self.mark

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["marks"] = [*shared.get("marks", []), exec_res]


class Again(flowq.Node[Any, Any]):
    """Goes round until it has done so *times*."""

    def __init__(self, times: int) -> None:
        super().__init__()
        self.times = times
        self - "again" >> self

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["rounds"] = shared.get("rounds", 0) + 1
        return "again" if shared["rounds"] < self.times else "enough"


class Squares(flowq.ParallelBatchNode[int, int]):
    """Squares of shared["numbers"]; items above *above* fail while the file *broken* is there."""

    def __init__(self, path: str, broken: str = "", above: int = 10**9, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.broken, self.above = path, broken, above

    def prep(self, shared: Any) -> Any:
        return shared["numbers"]

    def exec(self, item: int) -> int:
        note(self.path, f"square {item}")
        if item > self.above and Path(self.broken).exists():
            raise ValueError(f"{item} is above {self.above}")
        return item * item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["squares"] = exec_res


class RaisesIn(flowq.Node[Any, Any]):
    """Fails in one of its three methods."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def prep(self, shared: Any) -> None:
        self.fail("prep")

    def exec(self, prep_res: Any) -> None:
        self.fail("exec")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        self.fail("post")

    def fail(self, here: str) -> None:
        if self.where == here:
            raise KeyError(here)


class RefusesToBegin(flowq.Flow):
    """A flow that fails before its first node."""

    def prep(self, shared: Any) -> None:
        raise KeyError("prep")


class CountsPreps(Squares):
    """Counts in the store how often its items were asked for."""

    def prep(self, shared: Any) -> Any:
        shared["preps"] = shared.get("preps", 0) + 1
        return super().prep(shared)


class Approval(flowq.Node[Any, Any]):
    """Waits for somebody to say yes or no."""

    def __init__(self, path: str, timeout_s: float | None = None) -> None:
        super().__init__()
        self.path, self.timeout_s = path, timeout_s

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> str:
        note(self.path, "asks")
        answer = await ctx.wait_for("approval", timeout=self.timeout_s)
        note(self.path, "answered")
        return str(answer)

    def post(self, shared: Any, prep_res: Any, exec_res: str) -> str:
        shared["answers"] = [*shared.get("answers", []), exec_res]
        return exec_res


class Reminds(flowq.Node[Any, Any]):
    """Waits for an answer with each timeout in turn; which of the waits was answered, and how."""

    def __init__(self, path: str, timeouts_s: list[float | None]) -> None:
        super().__init__()
        self.path, self.timeouts_s = path, timeouts_s

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> str:
        for number, timeout_s in enumerate(self.timeouts_s):
            try:
                return f"{number} {await ctx.wait_for('approval', timeout=timeout_s)}"
            except TimeoutError as error:
                note(self.path, f"{number}: {error}")
        return "never"

    def post(self, shared: Any, prep_res: Any, exec_res: str) -> None:
        shared["answers"] = [*shared.get("answers", []), exec_res]


class WaitsLonger(flowq.Node[Any, Any]):
    """Waits for an answer for a moment in its first try, for a minute in a second one or once the file is there."""

    def __init__(self, path: str, patient: str = "", **options: Any) -> None:
        super().__init__(**options)
        self.path, self.patient = path, patient

    def prep(self, shared: Any) -> bool:
        return bool(self.patient) and Path(self.patient).exists()

    async def exec(self, prep_res: bool, *, ctx: flowq.ItemContext) -> str:
        long = prep_res or ctx.attempt > 0
        note(self.path, "asks for long" if long else "asks")
        return str(await ctx.wait_for("approval", timeout=60 if long else 0.3))

    def post(self, shared: Any, prep_res: Any, exec_res: str) -> None:
        shared["answers"] = [exec_res]


class Falters(flowq.Node[Any, Any]):
    """Fails once when it has its answer: in its first try if it has others, or else in its ``post``, noting that."""

    def __init__(self, faltered: str, **options: Any) -> None:
        super().__init__(**options)
        self.faltered = faltered

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> str:
        answer = await ctx.wait_for("approval")
        if ctx.attempt + 1 < self.max_retries:
            raise ValueError("once more")
        return str(answer)

    def post(self, shared: Any, prep_res: Any, exec_res: str) -> None:
        if self.max_retries == 1 and not Path(self.faltered).exists():
            Path(self.faltered).touch()
            raise ValueError("once more")
        shared["answers"] = [*shared.get("answers", []), exec_res]


class AsksTwo(flowq.Node[Any, Any]):
    """Waits for two answers side by side."""

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> list[str]:
        return await asyncio.gather(ctx.wait_for("approval"), ctx.wait_for("approval"))

    def post(self, shared: Any, prep_res: Any, exec_res: list[str]) -> None:
        shared["answers"] = [*shared.get("answers", []), *exec_res]


class Relents(flowq.Flow):
    """Makes the file before its next try."""

    def __init__(self, start: flowq.Node[Any, Any], patient: str, **options: Any) -> None:
        super().__init__(start, **options)
        self.patient = patient

    def retry_delay(self, exc: Exception, attempt: int) -> float | None:
        Path(self.patient).touch()
        return super().retry_delay(exc, attempt)


def six_steps(path: str, sleep_s: float = 0.0, first_s: float | None = None) -> flowq.Flow:
    first = Step("one", path, sleep_s if first_s is None else first_s)
    node: flowq.Node[Any, Any] = first
    for mark in ("two", "three"):
        node = node >> Step(mark, path, sleep_s)
    node = node >> Squares(path)
    for mark in ("four", "five", "six"):
        node = node >> Step(mark, path, sleep_s)
    return flowq.Flow(first, name="SixSteps")


def notes(path: Path) -> list[str]:
    """What was noted, without pids and times."""
    if not path.exists():
        return []
    return [line.rsplit(" ", 2)[0] for line in path.read_text().splitlines()]


class Watched(flowq.ParallelBatchNode[int, int]):
    """Notes when each item begins and ends."""

    def __init__(self, path: str, width: int, sleep_s: float) -> None:
        super().__init__()
        self.path, self.width, self.sleep_s = path, width, sleep_s

    def prep(self, shared: Any) -> range:
        return range(self.width)

    def exec(self, item: int) -> int:
        began = time.time()
        time.sleep(self.sleep_s)
        note(self.path, f"{began} {time.time()}")
        return item


def most_at_once(path: Path) -> int:
    """How many of the noted items ran at one moment at most."""
    spans = [tuple(map(float, line.split()[:2])) for line in path.read_text().splitlines()]
    return max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans)


class Failing(flowq.ParallelBatchNode[int, int]):
    def __init__(self, broken: str) -> None:
        super().__init__(on_error="raise")
        self.broken = broken

    def prep(self, shared: Any) -> range:
        return range(4)

    def exec(self, item: int) -> int:
        if item == self.params["place"] and Path(self.broken).exists():
            raise ValueError(f"item {item} of place {self.params['place']}")
        return item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["seen"] = [self.params["place"]]


class SlowReader(flowq.Node[Any, Any]):
    """Reads the store only after a while."""

    def __init__(self, sleep_s: float) -> None:
        super().__init__()
        self.sleep_s = sleep_s

    def exec(self, prep_res: Any) -> None:
        time.sleep(self.sleep_s)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["read"] = [shared["kept"]]


class ReadsInside(flowq.Node[Any, Any]):
    """Runs a batch flow over its store within its own process."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        Level(SlowReader(0.0), 2).run(shared)


class Charges(flowq.ParallelBatchNode[int, str]):
    """Notes the idempotency keys of its items: of three, the last of which fails, while the file *broken* is there."""

    def __init__(self, path: str, broken: str, later: tuple[int, ...] = (0, 1, 2), **options: Any) -> None:
        super().__init__(on_error="raise", **options)
        self.path, self.broken, self.later = path, broken, later

    def prep(self, shared: Any) -> list[int]:
        return [0, 1, 2] if Path(self.broken).exists() else list(self.later)

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> str:
        note(self.path, f"{item} {ctx.idempotency_key}")
        if item == 2 and Path(self.broken).exists():
            raise ValueError("the bank is closed")
        return f"charged {item}"

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[f"charged {self.params.get('place', '')}"] = list(exec_res)
