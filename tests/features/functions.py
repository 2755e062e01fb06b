"""Nodes made of functions, for tests that run them inline and on workers, which import this module."""

from __future__ import annotations

import asyncio
import operator
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import flowq


@flowq.register
class Odd(Exception):
    """An odd number where an even one is wanted."""


def half(number: int) -> int:
    """Half of an even number."""
    if number % 2:
        raise Odd(number)
    return number // 2


def in_a_list(number: int) -> list[Any]:
    """A list of that number alone; of some, of what cannot travel."""
    return [threading.Lock() if number % 200 == 103 else number]


def gather(value: list[Any], item: list[Any]) -> list[Any]:
    """Changes its first argument, as a reduction may."""
    value.extend(item)
    return value


def is_even(number: int) -> bool:
    return number % 2 == 0


async def is_even_later(number: int) -> bool:
    await asyncio.sleep(0)
    return number % 2 == 0


def longest_match(word: str) -> Any:
    """Something true that cannot travel."""
    return (lambda: word) if "a" in word else None


def words_of(line: str) -> Counter[str]:
    return Counter(line.split())


def count_of(line: str) -> dict[str, int]:
    return dict(words_of(line))


def joined(first: str, second: str) -> str:
    """Associative and not commutative."""
    return first + second


def text_of(number: int) -> str:
    if number % 10 == 7:
        raise Odd(number)
    return f"{number},"


@flowq.register
def tripled(number: int) -> int:
    return number * 3


@flowq.register
def larger(first: int, second: int) -> int:
    return max(first, second)


class TimesTen(flowq.ParallelBatchNode[int, int]):
    """Many items at once; none of those from 90 on."""

    def exec_many(self, items: list[int]) -> list[Any]:
        return [Odd(item) if item >= 90 else item * 10 for item in items]


class TimesTenOrOne(TimesTen):
    def exec_fallback(self, item: int, exc: Exception) -> int:
        return 1


@flowq.node(exec_fallback=lambda item, exc: 1000)
def even_or_thousand(item: int) -> int:
    return half(item) * 2


class Total(flowq.ReduceNode):
    """Adds up what some items come to at once."""

    def combine(self, first: int, second: int) -> int:
        return first + second

    def exec_many(self, items: list[int]) -> list[int]:
        return [item * 10 for item in items]


class Evens(flowq.FilterNode[int]):
    """Says of some items at once which are even."""

    def exec_many(self, items: list[int]) -> list[int]:
        return [1 - item % 2 for item in items]


class OrLock(flowq.FilterNode[int]):
    """Says yes with what cannot travel where it fails."""

    def exec(self, item: int) -> bool:
        return half(item) < 0

    def exec_fallback(self, item: int, exc: Exception) -> Any:
        return threading.Lock()


def summed(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    return dict(Counter(first) + Counter(second))


def refuses(first: int, second: int) -> int:
    raise Odd("cannot be combined")


def unportable(first: Any, second: Any) -> Any:
    return lambda: None


@flowq.node(max_retries=3)
def third_time(item: int, *, ctx: flowq.ItemContext) -> int:
    if ctx.attempt < 2:
        raise Odd(item)
    return item * 10


@flowq.node(exec_fallback=lambda item, exc: -item)
async def even_or_negative(item: int) -> int:
    await asyncio.sleep(0)
    return half(item) * 2


class Timed(flowq.Node[int, int]):
    """Says which process ran it."""

    def __init__(self, seconds: float = 0.0) -> None:
        super().__init__()
        self.seconds = seconds

    def exec(self, item: int) -> int:
        time.sleep(self.seconds)
        return os.getpid()


class Asks(flowq.ParallelBatchNode[int, int]):
    """Sends each item to a server, over the one connection that its process keeps; answers what comes back."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(**options)
        self.port = port

    def setup(self) -> None:
        self.connection = socket.create_connection(("127.0.0.1", self.port))
        self.answers = self.connection.makefile("r")

    def teardown(self) -> None:
        self.answers.close()
        self.connection.close()

    def exec(self, item: int) -> int:
        self.connection.sendall(f"{item}\n".encode())
        return int(self.answers.readline())


class AsksLater(flowq.ParallelBatchNode[int, int]):
    """The same in an event loop: one connection, one question at a time."""

    def __init__(self, port: int, **options: Any) -> None:
        super().__init__(**options)
        self.port = port

    async def setup(self) -> None:
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.turn = asyncio.Lock()

    async def teardown(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()

    async def exec(self, item: int) -> int:
        async with self.turn:
            self.writer.write(f"{item}\n".encode())
            return int(await self.reader.readline())


class Yields(flowq.ParallelBatchNode[int, list[int]]):
    """A stream of bits as an item's result."""

    def exec(self, item: int) -> Iterator[int]:  # type: ignore[override]
        yield from range(item)


class YieldsLater(flowq.ParallelBatchNode[int, list[int]]):
    """An async stream that breaks at the first try of every odd item."""

    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> AsyncIterator[int]:  # type: ignore[override]
        for bit in range(item):
            await asyncio.sleep(0)
            if bit == 2 and item % 2 and not ctx.attempt:
                raise Odd(item)
            yield bit


class Sums(YieldsLater):
    """Makes one number of the stream, as it comes."""

    async def gather(self, stream: AsyncIterator[int]) -> int:
        total = 0
        async for bit in stream:
            total += bit
        return total


class Reports(flowq.ParallelBatchNode[str, int]):
    """Says how far it is, then waits for a file; its time limit begins anew with every look at it."""

    def exec(self, item: str, *, ctx: flowq.ItemContext) -> int:
        for done in (1, 2):
            ctx.progress(done, 4)
        looks = 0
        while not os.path.exists(item):
            ctx.heartbeat()
            time.sleep(0.01)
            looks += 1
        return looks


class ReportsLater(flowq.ParallelBatchNode[str, int]):
    async def exec(self, item: str, *, ctx: flowq.ItemContext) -> int:
        for done in (1, 2):
            ctx.progress(done, 4)
        looks = 0
        while not await asyncio.to_thread(os.path.exists, item):
            ctx.heartbeat()
            await asyncio.sleep(0.01)
            looks += 1
        return looks


class Keyed(flowq.ParallelBatchNode[int, int]):
    def key_of(self, item: int) -> str:
        return f"item-{item}"

    def exec(self, item: int) -> int:
        return half(item)


class FailsAtOnce(flowq.ParallelBatchNode[int, int]):
    """The first item fails; the others take a moment, and leave a trace."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def exec(self, item: int) -> int:
        if item == 0:
            raise Odd(item)
        time.sleep(0.002)
        return item


class OkTheSecondTime(flowq.ParallelBatchNode[int, int]):
    """Every odd item fails the first time."""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self.folder = folder

    def exec(self, item: int) -> int:
        trace = os.path.join(self.folder, str(item))
        if item % 2 and not os.path.exists(trace):
            open(trace, "w").close()
            raise Odd(item)
        return item


class UntilCancelled(flowq.ParallelBatchNode[int, None]):
    """Leaves a trace when it begins, runs until nobody waits for it, and leaves another."""

    def __init__(self, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self.folder = folder

    def trace(self, what: str, item: int) -> None:
        open(os.path.join(self.folder, f"{what}-{item}"), "w").close()

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> None:
        self.trace("began", item)
        until = time.monotonic() + 30
        while not ctx.cancelled and time.monotonic() < until:
            time.sleep(0.01)
        self.trace("ended", item)


class UntilCancelledLater(UntilCancelled):
    async def exec(self, item: int) -> None:  # type: ignore[override]
        self.trace("began", item)
        try:
            await asyncio.sleep(30)
        finally:
            self.trace("ended", item)


class Found(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        shared["found"] = [*shared.get("found", []), shared["base"] + self.params["n"]]
        return "even" if shared["found"][-1] % 2 == 0 else "odd"


class Scored(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["score"] = {"of": self.params["n"], "by": "Scored"} if shared["named"] else self.params["n"] / 2


class Collected(flowq.BatchFlow):
    """Keeps what its items came to."""

    def __init__(self, start: flowq.Node | None = None, **options: Any) -> None:
        super().__init__(start=start or Found(), **options)

    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(shared["count"])]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["values"] = list(exec_res)


class Tally(flowq.Node):
    """Changes the store in every way that goes together; one in seven fails after that."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        n = self.params["n"]
        shared["log"] = [*shared["log"], n]
        shared["by_n"] = {n: {"twice": 2 * n}}
        shared["hits"] += 1
        shared["top"] = max(n % 1000, shared["top"])
        shared["who"] = "everybody"
        if n % 7 == 5:
            raise Odd(n)


class Tallies(flowq.BatchFlow):
    def __init__(self, **options: Any) -> None:
        super().__init__(start=Tally(), on_error="collect", **options)

    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(2000)]


class See(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared.setdefault("seen", []).append((self.params["a"], self.params["b"]))


class Inner(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"b": b} for b in range(2)]


class Outer(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"a": a} for a in range(3)]


def outer() -> Outer:
    """A batch flow of a batch flow."""
    return Outer(start=Inner(start=See()))


class SaysItsKey(flowq.ParallelBatchNode[str, str]):
    def exec(self, item: str, *, ctx: flowq.ItemContext) -> str:
        return str(ctx.idempotency_key)


class LogsInside(flowq.ParallelBatchNode[int, None]):
    """Five items for each item of the batch around it; each writes down when it ran."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(**options)
        self.path = path

    def prep(self, shared: Any) -> Any:
        return range(5)

    async def exec(self, item: int) -> None:
        began = time.time()
        await asyncio.sleep(0.02)
        line = f"{began} {time.time()}\n".encode()
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(fd, line)
        os.close(fd)


class Around(flowq.BatchFlow):
    def prep(self, shared: Any) -> list[dict[str, int]]:
        return [{"n": n} for n in range(6)]


class Embeds(flowq.ParallelBatchNode[int, list[int]]):
    """A service that takes many at once: each result says how many its call had. Every 10th item is refused alone."""

    def exec_many(self, items: list[int]) -> list[Any]:
        return [Odd(item) if item % 10 == 9 else [item, len(items)] for item in items]


class EmbedsLater(Embeds):
    async def exec_many(self, items: list[int]) -> list[Any]:  # type: ignore[override]
        await asyncio.sleep(0.001)
        return Embeds.exec_many(self, items)


class Spoils(flowq.ParallelBatchNode[int, int]):
    """A call with 13 among its items fails as a whole."""

    def exec_many(self, items: list[int], *, ctx: flowq.ItemContext) -> list[int]:
        if 13 in items:
            raise Odd(f"a call of {len(items)}, try {ctx.attempt}")
        return [item * 2 for item in items]

    def exec_fallback(self, prep_res: int, exc: Exception) -> int:
        if self.config.get("falls back"):
            return -prep_res
        raise exc


class Answers(flowq.ParallelBatchNode[int, Any]):
    """Answers for two items with what is no list of two results."""

    def exec_many(self, items: list[int]) -> Any:
        by_item = {item: 10 * item for item in items}
        answers = {"dict": by_item, "set": set(by_item), "str": "ab", "bytes": b"ab", "NoneType": None, "int": 2}
        return answers[self.config["kind"]]


class TooFew(flowq.ParallelBatchNode[int, int]):
    def exec_many(self, items: list[int]) -> list[int]:
        return items[1:]


class FromBranches(flowq.ParallelBatchNode[int, int]):
    """A batch node as a branch: its items go to the active executor."""

    def prep(self, shared: Any) -> Any:
        return shared["numbers"]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared[self.name] = sum(exec_res)


class Doubles(FromBranches):
    def exec(self, item: int) -> int:
        return item * 2


class Squares(FromBranches):
    def exec(self, item: int) -> int:
        return item * item


halves = flowq.MapNode(half)
evens = flowq.FilterNode(is_even)
evens_later = flowq.FilterNode(is_even_later, items="numbers", out="even")
with_a = flowq.FilterNode(longest_match)
total = flowq.ReduceNode(operator.add, 100, associative=True)
text = flowq.ReduceNode(joined, "", each=text_of, associative=True, on_error="collect")
words = flowq.ReduceNode(summed, {}, each=count_of, associative=True, items="lines", out="words")
cannot_combine = flowq.ReduceNode(refuses, 0, associative=True)
combines_to_nothing_portable = flowq.ReduceNode(unportable, 0, associative=True)
gathered = flowq.ReduceNode(gather, each=in_a_list, associative=True, on_error="collect")
halves_by_key = flowq.ParallelBatchNode.of(half, items="numbers", out="halves", count="n", on_error="skip")


def numbers_flow() -> flowq.Flow:
    """Nodes over keys of the store, and branches, in one flow that may be submitted."""
    keep = flowq.FilterNode(is_even, items="numbers", out="even")
    third = flowq.MapNode(third_time, items="even", out="tens", max_retries=3)
    total = flowq.ReduceNode(larger, 0, items="tens", out="top", associative=True)
    both = flowq.Parallel(Doubles(), Squares(), flowq.Flow(start=Note()))
    keep >> third >> total >> both >> flowq.RaceNode(Note(name="quick")) >> flowq.first_ok(Refuses(), Note(name="last"))
    return flowq.Flow(start=keep)


class Note(flowq.Node):
    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared.setdefault("notes", []).append(self.name)


class Refuses(flowq.Node):
    def exec(self, prep_res: Any) -> Any:
        raise Odd("never")
