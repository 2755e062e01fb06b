"""What users write with types: a type checker accepts all of it, and knows what comes out."""

from __future__ import annotations

import json
import operator
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, TypedDict, assert_type

from pydantic import BaseModel

import flowq
from flowq.compat import pocketflow


class Row(TypedDict):
    """An item."""

    name: str
    n: int


class Store(BaseModel):
    """A schema."""

    total: Annotated[int, flowq.Add] = 0
    log: Annotated[list[str], flowq.Append] = []


@flowq.register
def name_of(row: Row) -> str:
    return row["name"]


# -- functions ---------------------------------------------------------------------------------------------------------


@flowq.parallel_batch_node
def score(item: str) -> int:
    return len(item)


@flowq.parallel_batch_node(max_retries=3, on_error="collect", rate=["10/s", flowq.Rate(100, per=60)], key=name_of)
def count(row: Row, *, ctx: flowq.ItemContext) -> int:
    return row["n"] + ctx.attempt


@flowq.parallel_batch_node(in_flight=50, on_progress=lambda progress: print(progress.done))
async def fetch(number: int) -> str:
    return str(number)


@flowq.parallel_batch_node
def words(line: str) -> Iterator[str]:
    yield from line.split()


@flowq.node(max_retries=2, post=lambda shared, prep_res, exec_res: shared.update(n=exec_res))
def step(prep_res: list[str]) -> int:
    return len(prep_res)


@flowq.parallel_batch_node
def says_nothing(item, more=1):  # type: ignore[no-untyped-def]
    return item * more


assert_type(score.map(["a"])[0], int)
assert_type(score("a"), int)
assert_type(count.map([{"name": "a", "n": 1}])[0], int)
assert_type(count.submit({"name": "a", "n": n} for n in range(3)).result()[0], int)
assert_type(fetch.map(range(3))[0], str)
assert_type(words.map(["a b"])[0], list[str])
assert_type(step(["a"]), int)
assert_type(flowq.parallel_batch_node(exec=int, on_error="collect").map(["1"])[0], int)
assert_type(flowq.parallel_batch_node(exec=json.loads).map(["1"])[0], Any)
says_nothing.map([1])
flowq.parallel_batch_node(lambda item: item * 2).map([1])

# -- classes -----------------------------------------------------------------------------------------------------------


class Parse(flowq.ParallelBatchNode[str, int]):
    """All that a node may define."""

    def prep(self, shared: dict[str, Any]) -> list[str]:
        return list(shared["lines"])

    def exec(self, item: str, *, ctx: flowq.ItemContext) -> int:
        return int(item)

    def exec_fallback(self, item: str, exc: Exception) -> int:
        return 0

    async def post(self, shared: dict[str, Any], prep_res: list[str], exec_res: flowq.BatchResult[int]) -> str | None:
        return "doubtful" if exec_res.stats().fallback else None

    def key_of(self, item: str) -> str:
        return item

    def on_progress(self, progress: flowq.Progress) -> None:
        print(progress.done)


class ParseMany(flowq.ParallelBatchNode[str, int]):
    """A node of calls with many items."""

    async def exec_many(self, items: list[str]) -> list[int | Exception]:
        return [len(item) for item in items]


class Lines(flowq.ParallelBatchNode[str, list[str]]):
    """A node that yields its result."""

    async def exec(self, item: str) -> AsyncIterator[str]:
        yield item


class Longest(flowq.ParallelBatchNode[str, int]):
    """A node that makes something else of what it yields."""

    def exec(self, item: str) -> Iterator[str]:
        yield item

    def gather(self, stream: Iterator[str]) -> int:
        return max(map(len, stream))


class Scale(flowq.MapNode[int, float]):
    """A node with a constructor of its own."""

    def __init__(self, factor: float, **options: Any) -> None:
        super().__init__(items="numbers", **options)
        self.factor = factor

    def exec(self, item: int) -> float:
        return item * self.factor


async def numbers() -> AsyncIterator[int]:
    yield 1


handle = Parse(max_retries=3, cache=60).submit(["1"], key="today")
assert_type(handle, flowq.Handle[int])
assert_type(handle.result(), flowq.BatchResult[int])
assert_type(handle.retry_failed().result()[0], int)
for value in handle.results():
    assert_type(value, int)
for outcome in handle.as_completed():
    assert_type(outcome, flowq.Outcome)
found: flowq.Handle[int] = flowq.get_batch(handle.id)
assert_type(Lines().map(["a"])[0], list[str])
assert_type(Scale(2.5, concurrency=3).map(numbers())[0], float)


# -- flows -------------------------------------------------------------------------------------------------------------

parse, scale = Parse(), Scale(2.0)
assert_type(parse >> scale, Scale)
assert_type((parse - "doubtful" >> score).map(["a"])[0], int)
flow = flowq.Flow(start=parse, hooks=[print, flowq.Hook])
flow.run(flowq.SharedStore({"lines": ["1"]}, schema=Store))
assert_type(flow.run({}, run_result=True), flowq.RunResult)
assert_type(flow.submit({}, key="today").awaits(), list[str])
flowq.BatchFlow(start=flow, merge={"total": flowq.Add}, on_error="collect").run({})
flowq.Parallel(parse, scale, merge="last", max_retries=2, hooks=[print])
flowq.RaceNode(parse, scale, timeout=3) >> flowq.first_ok(parse, scale, name="either")
flowq.ReduceNode(operator.add, 0, associative=True, each=name_of, queue="gpu")


async def first() -> None:
    async def slow() -> int:
        return 1

    assert_type(await fetch(3), str)
    assert_type(await flowq.race(slow, slow), int)
    assert_type(await flowq.race(slow(), lambda: 2), int)


class Old(pocketflow.Node):
    """A node of a PocketFlow program."""

    def exec(self, prep_res: Any) -> int:
        return 1


old = Old(max_retries=3)
old - "end" >> None
assert_type(old >> Old(), Old)
