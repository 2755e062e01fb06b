"""``python -m benchmarks.local_flow``: a linear flow and a BatchNode in one process, beside PocketFlow's.

The same bodies in both, as small as they come: what is measured is what a framework adds. Never here: workers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import flowq
from benchmarks.table import Cell, Row, interleaved, show

NODES = 10
WALKS = 500
ITEMS = 50_000
ROUNDS = 9


class Step:
    """One transition: reads the store, computes, writes the store."""

    def prep(self, shared: Any) -> Any:
        return shared["n"]

    def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = exec_res


class Items:
    """Many items, each of them one addition."""

    def prep(self, shared: Any) -> Any:
        return range(ITEMS)

    def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = len(exec_res)


class AsyncStep(Step):
    """:class:`Step` as coroutines."""

    async def prep(self, shared: Any) -> Any:
        return shared["n"]

    async def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = exec_res


class AsyncItems(Items):
    """:class:`Items` as coroutines."""

    async def prep(self, shared: Any) -> Any:
        return range(ITEMS)

    async def exec(self, prep_res: Any) -> Any:
        return prep_res + 1

    async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> Any:
        shared["n"] = len(exec_res)


class OurStep(Step, flowq.Node):
    pass


class OurAsyncStep(AsyncStep, flowq.Node):
    pass


class OurItems(Items, flowq.BatchNode):
    pass


class OurAsyncItems(AsyncItems, flowq.BatchNode):
    pass


def chain(flow: Any, node: Any) -> Any:
    """A flow of ten such nodes in a line."""
    first = last = node()
    for _ in range(NODES - 1):
        last = last >> node()
    return flow(start=first)


def named_async(base: Any, body: type[Any]) -> Any:
    """A class for PocketFlow, which calls coroutines by other names."""
    last = {f"{name}_async": getattr(body, name) for name in ("prep", "exec", "post")}
    return type(body.__name__, (base,), last)


def walks(flow: Any) -> Callable[[], None]:
    """Run *flow* some hundred times."""

    def run() -> None:
        for _ in range(WALKS):
            shared = {"n": 0}
            flow.run(shared)
            assert shared["n"] == NODES

    return run


def walks_async(flow: Any) -> Callable[[], None]:
    """Run *flow* some hundred times in one event loop."""

    async def all_of_them() -> None:
        for _ in range(WALKS):
            shared = {"n": 0}
            await flow.run_async(shared)
            assert shared["n"] == NODES

    return lambda: asyncio.run(all_of_them())


def batch(node: Any) -> Callable[[], None]:
    def run() -> None:
        shared: dict[str, int] = {}
        node.run(shared)
        assert shared["n"] == ITEMS

    return run


def batch_async(node: Any) -> Callable[[], None]:
    def run() -> None:
        shared: dict[str, int] = {}
        asyncio.run(node.run_async(shared))
        assert shared["n"] == ITEMS

    return run


def per(cell: Cell, count: int) -> Cell:
    """*cell* for one of *count*, in microseconds."""
    return replace(cell, values=[1e6 * value / count for value in cell.values], unit="us")


def rows(rounds: int = ROUNDS) -> list[Row]:
    """Time for one transition and one item. All in turn, so that each saw the same machine."""
    import pocketflow

    cells = interleaved(
        {
            "flow": walks(chain(flowq.Flow, OurStep)),
            "pocketflow.Flow": walks(chain(pocketflow.Flow, type("Step", (Step, pocketflow.Node), {}))),
            "async flow": walks_async(chain(flowq.Flow, OurAsyncStep)),
            "pocketflow.AsyncFlow": walks_async(
                chain(pocketflow.AsyncFlow, named_async(pocketflow.AsyncNode, AsyncStep))
            ),
            "batch": batch(OurItems()),
            "pocketflow.BatchNode": batch(type("Items", (Items, pocketflow.BatchNode), {})()),
            "async batch": batch_async(OurAsyncItems()),
            "pocketflow.AsyncBatchNode": batch_async(named_async(pocketflow.AsyncBatchNode, AsyncItems)()),
            "async parallel batch": batch_async(OurAsyncItems(concurrency=100)),
            "pocketflow.AsyncParallelBatchNode": batch_async(
                named_async(pocketflow.AsyncParallelBatchNode, AsyncItems)()
            ),
        },
        rounds,
    )
    steps, items = WALKS * NODES, ITEMS
    compared = [
        ("one transition, sync", "flow", "pocketflow.Flow", steps, 1.0),
        ("one transition, async", "async flow", "pocketflow.AsyncFlow", steps, 1.0),
        ("one item of a BatchNode, sync", "batch", "pocketflow.BatchNode", items, 1.2),
        ("one item of a BatchNode, async", "async batch", "pocketflow.AsyncBatchNode", items, 1.0),
        ("one item, async, 100 at a time", "async parallel batch", "pocketflow.AsyncParallelBatchNode", items, 1.0),
    ]
    return [
        Row(what, per(cells[ours], count), per(cells[theirs], count), False, bar)
        for what, ours, theirs, count, bar in compared
    ]


if __name__ == "__main__":
    show(rows(), [])
