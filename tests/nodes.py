"""Nodes that the tests' workers import. The oracle of every chaos test is a file: one line an execution."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flowq
from flowq.codec import content_hash
from tests.waiting import until


@flowq.register
@dataclass(frozen=True)
class Point:
    x: int
    y: int


@flowq.register
class Refused(Exception):
    """An exception that the workers' side and the producer's side both know."""


class Unknown(Exception):
    """An exception that nobody registered."""


class Square(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return item * item


class Boxed(flowq.ParallelBatchNode[Any, list[int]]):
    """A list of a number; what is none fails."""

    def exec(self, item: Any) -> list[int]:
        return [int(item)]


class AsyncSquare(flowq.ParallelBatchNode[int, int]):
    async def exec(self, item: int) -> int:
        await asyncio.sleep(0)
        return item * item


class Digits(flowq.ParallelBatchNode[range, tuple[Counter[str], defaultdict[int, list[int]]]]):
    """What the numbers of a range are made of, and the numbers by their length."""

    def exec(self, item: range) -> tuple[Counter[str], defaultdict[int, list[int]]]:
        by_length: defaultdict[int, list[int]] = defaultdict(list)
        for number in item:
            by_length[len(str(number))].append(number)
        return Counter("".join(map(str, item))), by_length


class AsyncBegan(flowq.ParallelBatchNode[int, float]):
    """Answers when it began, and notes it; an item takes *slow_s* seconds if it is 1, else a twentieth of one."""

    def __init__(self, path: str, slow_s: float, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.slow_s = path, slow_s

    async def exec(self, item: int) -> float:
        began = time.time()
        record(self.path, f"{item} {began}")
        await asyncio.sleep(self.slow_s if item == 1 else 0.05)
        return began


class Echo(flowq.ParallelBatchNode[Any, Any]):
    def exec(self, item: Any) -> Any:
        return item


class AsyncEcho(flowq.ParallelBatchNode[Any, Any]):
    """The same, with many items in flight."""

    async def exec(self, item: Any) -> Any:
        return item


class Scaled(flowq.ParallelBatchNode[int, int]):
    def __init__(self, factor: int, **options: Any) -> None:
        super().__init__(**options)
        self.factor = factor

    def exec(self, item: int) -> int:
        return item * self.factor


class FailsTwice(flowq.ParallelBatchNode[int, int]):
    """Fails on the first two tries of each item."""

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:
        if ctx.attempt < 2:
            raise Refused(f"item {item}, try {ctx.attempt}")
        return item


class AsyncFailsTwice(flowq.ParallelBatchNode[int, int]):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:
        await asyncio.sleep(0.001)
        if self.cur_retry < 2:
            raise Refused(f"item {item}, try {ctx.attempt}")
        return item


class Keyed(flowq.ParallelBatchNode[int, int]):
    """Refuses 7; its items have keys."""

    def key_of(self, item: int) -> str:
        return f"key-{item}"

    def exec(self, item: int) -> int:
        if item == 7:
            raise ValueError(f"{item} is refused")
        return item


class Sleepy(flowq.ParallelBatchNode[float, float]):
    """Sleeps as many seconds as the item says, a tenth at a time."""

    def exec(self, item: float, *, ctx: flowq.ItemContext) -> float:
        until = time.monotonic() + item
        while time.monotonic() < until and not ctx.cancelled:
            time.sleep(min(0.1, item))
        return item


class Picky(flowq.ParallelBatchNode[int, int]):
    """Refuses every 7th item, falls back on every 5th, raises an unregistered class for every 11th."""

    def __init__(self, seconds: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def exec(self, item: int) -> int:
        time.sleep(self.seconds)
        if item % 11 == 3:
            raise Unknown("nobody knows me")
        if item % 7 == 0 or item % 5 == 0:
            raise Refused("no", item)
        return item + 1

    def exec_fallback(self, prep_res: int, exc: Exception) -> int:
        if prep_res % 5 == 0:
            return -1
        raise exc


class PickyOf(Picky):
    """Refuses one of its items, and raises what nobody knows for another."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_failures=2, **options)

    def prep(self, shared: Any) -> Any:
        return [1, 7, 3]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        exec_res.raise_for("raise")


class AsyncPicky(Picky):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(0)
        return Picky.exec(self, item)


class FallsBack(flowq.ParallelBatchNode[int, int]):
    """Refuses every item, and takes *seconds* to say what there is instead."""

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def exec(self, item: int) -> int:
        raise Refused(item)

    def exec_fallback(self, prep_res: int, exc: Exception, *, ctx: flowq.ItemContext) -> int:
        ctx.heartbeat()
        time.sleep(self.seconds)
        return -prep_res


class FallsBackTogether(FallsBack):
    def exec_many(self, items: list[int]) -> list[int]:
        raise Refused(*items)


class Unencodable(flowq.ParallelBatchNode[int, Any]):
    """Every third result cannot travel back."""

    def exec(self, item: int) -> Any:
        return (lambda: item) if item % 3 == 0 else item


class Logged(flowq.ParallelBatchNode[int, int]):
    """Writes a line for each execution to the oracle: index, pid, start and end, in seconds since the epoch."""

    def __init__(self, path: str, seconds: float = 0.005, slow: dict[int, float] | None = None, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.seconds, self.slow = path, seconds, slow or {}

    def exec(self, item: int) -> int:
        began = time.time()
        time.sleep(self.slow.get(item, self.seconds))
        record(self.path, f"{item} {os.getpid()} {began:.6f} {time.time():.6f}")
        return item * 3


class AsyncAwaited(flowq.ParallelBatchNode[int, int]):
    """Items up to *last* (None: all) wait until item 0 has run; each leaves the pid of its process in the folder.

    The others take *seconds*.
    """

    def __init__(self, folder: str, last: int | None = None, seconds: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.folder, self.last, self.seconds = folder, last, seconds

    async def exec(self, item: int) -> int:
        folder = Path(self.folder)
        (folder / f"pid-{os.getpid()}").touch()
        if item == 0:
            (folder / "released").touch()
        until = time.monotonic() + 20.0
        while not (folder / "released").exists() and (self.last is None or item <= self.last):
            if time.monotonic() > until:
                raise Refused(f"item {item} was not released")
            await asyncio.sleep(0.02)
        if self.seconds and self.last is not None and item > self.last:
            await asyncio.sleep(self.seconds)
        return item


class AsyncLogged(flowq.ParallelBatchNode[int, int]):
    def __init__(self, path: str, seconds: float = 0.005, **options: Any) -> None:
        super().__init__(**options)
        self.path, self.seconds = path, seconds

    async def exec(self, item: int) -> int:
        began = time.time()
        await asyncio.sleep(self.seconds)
        record(self.path, f"{item} {os.getpid()} {began:.6f} {time.time():.6f}")
        return item * 3


def record(path: str, line: str) -> None:
    """Append one line; a single write, so that lines of several processes do not mix."""
    fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(fd, f"{line}\n".encode())
    finally:
        os.close(fd)


def executions(path: str | Path) -> list[tuple[int, int, float, float]]:
    """The oracle's lines: (index, pid, start, end)."""
    if not Path(path).exists():
        return []
    rows = [line.split() for line in Path(path).read_text().splitlines()]
    return [(int(index), int(pid), float(began), float(ended)) for index, pid, began, ended in rows]


class Count(flowq.Node):
    """One step of a BatchFlow's item: reads the shared base, adds to what the item brings."""

    def prep(self, shared: Any) -> tuple[int, int]:
        return shared["base"], self.params["n"]

    def exec(self, prep_res: tuple[int, int]) -> int:
        base, n = prep_res
        return base + n

    def post(self, shared: Any, prep_res: Any, exec_res: int) -> str:
        shared["found"] = [*shared.get("found", []), exec_res]
        shared.setdefault("by_n", {})[f"n{self.params['n']}"] = exec_res
        return "even" if exec_res % 2 == 0 else "odd"


class Last(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["log"].append(self.params["n"])


class CountAll(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]


class ReadsAndMeets(flowq.Node):
    """Reads all parts of the store, and waits until items of as many processes have done so."""

    def prep(self, shared: Any) -> str:
        return content_hash(b"".join(shared[f"part {number}"] for number in range(shared["parts"])))

    def exec(self, prep_res: str) -> str:
        folder = Path(self.params["folder"])
        (folder / str(os.getpid())).touch()
        until = time.monotonic() + 20.0
        while len(list(folder.iterdir())) < self.params["processes"]:
            if time.monotonic() > until:
                raise Refused("no other process came")
            time.sleep(0.01)
        return prep_res

    def post(self, shared: Any, prep_res: str, exec_res: str) -> None:
        shared["read"] = exec_res


class MeetAll(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, Any]]:
        return [{"folder": shared["folder"], "processes": shared["processes"]}] * shared["processes"]


def meet_all(**options: Any) -> MeetAll:
    """A BatchFlow whose items each have a process of their own."""
    return MeetAll(start=ReadsAndMeets(), **options)


class ReadsWithDefaults(flowq.Node):
    """Reads what is not there in every way a dict has, and says what it found, in order."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        try:
            found = [shared["nowhere"]]
        except KeyError:
            found = ["KeyError"]
        found += [shared.get("best", 0), shared.setdefault("seen", {"a": 1}), shared.pop("gone", "gone")]
        shared["found"] = [*found, sorted(shared)]


class Quarrel(flowq.Node):
    """Two items set one key to different values."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["winner"] = self.params["n"]


class Tally(flowq.Node):
    """Reads every container of the store; an item that is one of the writers adds to them."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        kept = [shared[key] for key in shared["read"]]
        shared["types"] = [*shared.get("types", []), [type(one).__name__ for one in kept]]
        if self.params["n"] in shared["writers"]:
            shared["seen"].update(["all", f"n{self.params['n']}"])
            shared["seen"]["left"] -= 1


def count_all(**options: Any) -> CountAll:
    """A BatchFlow of two nodes, wired by action."""
    first, last = Count(), Last()
    first - "even" >> last
    return CountAll(start=first, **options)


class FailsFirst(flowq.ParallelBatchNode[int, int]):
    """The first *bad* items fail."""

    def __init__(self, bad: int, **options: Any) -> None:
        super().__init__(**options)
        self.bad = bad

    def exec(self, item: int) -> int:
        if item < self.bad:
            raise Refused(item)
        time.sleep(0.001)  # the others must not all have ended before the failures are known
        return item


class FromStore(flowq.ParallelBatchNode[Any, Any]):
    """Its items come from the store, its result goes there."""

    def prep(self, shared: Any) -> Any:
        return shared["items"]

    def exec(self, item: Any) -> Any:
        return item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["result"] = list(exec_res)


class KeepsItsItems(FromStore):
    """Leaves in the store the items that its ``post`` is given."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["kept"] = prep_res
        shared["by name"] = {"kept": prep_res, "same": prep_res == shared["items"] and prep_res == prep_res}


class TellsOutcomes(flowq.ParallelBatchNode[int, int]):
    """Has its items from a generator, and leaves in the store what became of each."""

    def prep(self, shared: Any) -> Iterator[int]:
        return iter(range(shared["count"]))

    def exec(self, item: int) -> int:
        if item % 7 == 5:
            raise Refused("no", item)
        return item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["told"] = [(one.index, one.status) for one in exec_res.items]
        shared["ok"] = [one.output for one in exec_res.ok]
        shared["refused"] = [one.error.args[1] for one in exec_res.failed]


class LooksBack(TellsOutcomes):
    """Looks at its items once more in ``post``."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["pairs"] = list(zip(prep_res, exec_res, strict=False))


@flowq.register
@dataclass(frozen=True)
class Upto:
    """Numbers that can be read again and again, and have no length."""

    n: int

    def __iter__(self) -> Iterator[int]:
        return iter(range(self.n))


class KeepsOdd(flowq.FilterNode[int]):
    def exec(self, item: int) -> bool:
        return item % 2 == 1


class SleepyByKey(Sleepy):
    def key_of(self, item: float) -> str:
        return str(item)


class SleepyFromStore(Sleepy):
    def prep(self, shared: Any) -> Any:
        return [60.0 for _ in shared["items"]]


class KeyedFromStore(Keyed):
    def prep(self, shared: Any) -> Any:
        return shared["items"]


class UntilMended(flowq.ParallelBatchNode[int, int]):
    """Every other item fails until a file is there."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, item: int) -> int:
        if item % 2 and not Path(self.path).exists():
            raise ValueError("not mended yet")
        return item


class Asks(flowq.Node):
    """Waits for what a person says."""

    async def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> Any:
        return await ctx.wait_for("approval")

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["answer"] = exec_res


class SquaresOf(Square):
    """Squares below a number of the store."""

    def prep(self, shared: Any) -> Any:
        return range(shared.get("n", 3))

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["squares"] = list(exec_res)


class FailsOnce(flowq.ParallelBatchNode[int, int]):
    """Item 1 fails the first time that any process runs it; the others do not."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def prep(self, shared: Any) -> Any:
        return [0, 1, 2]

    def exec(self, item: int) -> int:
        if item == 1 and not Path(self.path).exists():
            Path(self.path).touch()
            raise Refused("the first time")
        return item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["result"] = list(exec_res)


class BreaksUnless(flowq.Node):
    """Fails until a file is there."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, prep_res: Any) -> None:
        if not Path(self.path).exists():
            raise ValueError("not mended yet")


class Nested(flowq.ParallelBatchNode[int, list[int]]):
    """Runs a batch of its own inside an item."""

    def exec(self, item: int) -> list[int]:
        return list(Square().map(range(item)))


@flowq.parallel_batch_node
def triple(item: int) -> int:
    return item * 3


class AsyncUneven(flowq.ParallelBatchNode[int, int]):
    """One item takes long, the others a moment."""

    def __init__(self, slow_item: int, slow_s: float, **options: Any) -> None:
        super().__init__(**options)
        self.slow_item, self.slow_s = slow_item, slow_s

    async def exec(self, item: int) -> int:
        await asyncio.sleep(self.slow_s if item == self.slow_item else 0.005)
        return item


class LoopId(flowq.ParallelBatchNode[int, str]):
    """Which event loop of which process ran the item."""

    async def exec(self, item: int) -> str:
        return f"{os.getpid()}:{id(asyncio.get_running_loop())}"


class Garbage(flowq.ParallelBatchNode[int, tuple[bool, int, int]]):
    """Whether its process collects garbage, how many objects a collection looks at, and how many it leaves out."""

    def exec(self, item: int) -> tuple[bool, int, int]:
        return gc.isenabled(), len(gc.get_objects()), gc.get_freeze_count()


class Imported(flowq.ParallelBatchNode[str, bool]):
    """Whether its process has imported a module."""

    def exec(self, item: str) -> bool:
        return item in sys.modules


class Connected(flowq.ParallelBatchNode[int, str]):
    """Keeps something open while its items run."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    @asynccontextmanager
    async def lifespan(self) -> AsyncIterator[None]:
        record(self.path, f"open {os.getpid()}")
        self.client = f"client of {os.getpid()}"
        yield
        record(self.path, f"close {os.getpid()}")

    def exec(self, item: int) -> str:
        return self.client


class AsyncConnected(Connected):
    async def exec(self, item: int) -> str:  # type: ignore[override]
        await asyncio.sleep(0.002)
        return self.client


class FailsOn(flowq.ParallelBatchNode[int, int]):
    """Fails on the items named in *bad*, at every try."""

    def __init__(self, bad: list[int], **options: Any) -> None:
        super().__init__(**options)
        self.bad = bad

    def prep(self, shared: Any) -> Any:
        return range(shared["count"])

    def exec(self, item: int) -> int:
        if item in self.bad:
            raise ValueError(f"item {item} is bad")
        return item


class Slow(flowq.ParallelBatchNode[int, int]):
    """Blocks for *seconds*, whatever happens."""

    def __init__(self, seconds: float, **options: Any) -> None:
        super().__init__(**options)
        self.seconds = seconds

    def exec(self, item: int) -> int:
        time.sleep(self.seconds)
        return item


class SlowFromStore(Slow):
    def prep(self, shared: Any) -> Any:
        return shared["items"]


class AsyncSlow(Slow):
    async def exec(self, item: int) -> int:  # type: ignore[override]
        await asyncio.sleep(self.seconds)
        return item


class Chatty(flowq.ParallelBatchNode[int, int]):
    """Prints and logs; with *trouble*, of a password and a deep traceback as well."""

    def __init__(self, trouble: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.trouble = trouble

    def exec(self, item: int) -> int:
        log = logging.getLogger("users.own")
        print("printed by", item, "in two", end=" ")
        print("parts")
        log.info("heard of %s", item, extra={"customer": f"no. {item}"})
        if self.trouble:
            try:
                deep(400)
            except ValueError:
                log.exception("in trouble with redis://me:hush-hush@host/0")
        return item


def deep(levels: int) -> None:
    if levels == 0:
        raise ValueError("deep down")
    if levels % 2:  # two frames in turn: Python's printer does not fold them
        deep(levels - 1)
    else:
        deep(levels - 1)


class AsyncChatty(flowq.ParallelBatchNode[int, int]):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        await asyncio.sleep(0.05)
        self.log(f"async item {item}")
        if ctx.attempt == 0:
            raise Refused("once")
        return item


class Switched(flowq.ParallelBatchNode[int, int]):
    """Every tenth item fails until a file is there."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, item: int) -> int:
        if item % 10 == 0 and not Path(self.path).exists():
            raise Refused(item)
        return item


class ByRest(flowq.ParallelBatchNode[Any, int]):
    """An item's key and value are its rest by 50. Those in *bad* fail, *tries* times or until a file is there."""

    def __init__(
        self, path: str, bad: tuple[int, ...] = (), tries: int = 1000, switch: str = "", **options: Any
    ) -> None:
        super().__init__(**options)
        self.path, self.bad, self.tries, self.switch = path, bad, tries, switch

    def key_of(self, item: Any) -> str:
        return f"rest-{item % 50}" if isinstance(item, int) else item.nothing

    def exec(self, item: Any, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        record(self.path, str(item))
        rest = int(item) % 50
        if rest in self.bad and ctx.attempt < self.tries and not (self.switch and Path(self.switch).exists()):
            raise Refused(rest)
        return rest


class AsyncByRest(ByRest):
    async def exec(self, item: Any, *, ctx: flowq.ItemContext) -> int:  # type: ignore[override]
        await asyncio.sleep(0.001)
        return ByRest.exec(self, item, ctx=ctx)


class Widened(flowq.ParallelBatchNode[int, bytes]):
    """Two million bytes for each item."""

    def exec(self, item: int) -> bytes:
        return bytes([item]) * 2_000_000


class WidenedTogether(flowq.ParallelBatchNode[int, bytes]):
    """The same, with many items in flight."""

    async def exec(self, item: int) -> bytes:
        return bytes([item]) * 2_000_000


class Lengths(flowq.ParallelBatchNode[bytes, int]):
    """How long each item is."""

    def exec(self, item: bytes) -> int:
        return len(item)


class Gated(Lengths):
    """The same, once the file *gate* is there; an item that waits for a minute fails."""

    def __init__(self, gate: str, **options: Any) -> None:
        super().__init__(**options)
        self.gate = gate

    def exec(self, item: bytes) -> int:
        until(Path(self.gate).exists, 60, "the gate")
        return len(item)


class SaysWhichItem(flowq.Node[Any, Any]):
    """Keeps in the store what its call was told of an item; ``fails`` with that."""

    def __init__(self, fails: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.fails = fails

    def exec(self, prep_res: Any, *, ctx: flowq.ItemContext) -> tuple[Any, ...]:
        told = (ctx.item_index, ctx.item_key, ctx.idempotency_key)
        if self.fails:
            raise ValueError(repr(told))
        return told

    def post(self, shared: Any, prep_res: Any, exec_res: tuple[Any, ...]) -> None:
        shared.setdefault("told", []).append(exec_res)


class KeepsInPrep(flowq.ParallelBatchNode[int, int]):
    """Sets in ``prep`` what ``exec`` reads, as one may in one process."""

    def prep(self, shared: Any) -> list[int]:
        self.base = shared["base"]
        return [1, 2]

    def exec(self, item: int) -> int:
        return self.base + item + (len(self.nowhere) if item > 1 else 0)  # type: ignore[attr-defined, no-any-return]


class DefaultsInPrep(flowq.ParallelBatchNode[int, int]):
    """Sets in ``prep`` what has a default, so that ``exec`` misses nothing on workers."""

    base = 0

    def prep(self, shared: Any) -> list[int]:
        self.base = shared["base"]
        return [1, 2]

    def exec(self, item: int) -> int:
        return self.base + item

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["sums"] = list(exec_res)


class Raises(flowq.Node[Any, Any]):
    """Raises what can be rebuilt elsewhere, or cannot."""

    def __init__(self, how: str, **options: Any) -> None:
        super().__init__(**options)
        self.how = how

    def exec(self, prep_res: Any) -> None:
        match self.how:
            case "registered":
                raise Refused("no", 3)
            case "not registered":
                raise Unknown("nobody knows me")
            case "holds a lock":
                raise ValueError(threading.Lock())
            case "no exception":
                raise asyncio.CancelledError("by nobody")
            case "a batch":
                Picky().map([7])


class PutsALock(flowq.Node[Any, Any]):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["lock"] = threading.Lock()
