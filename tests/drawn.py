"""Programs drawn from a seed, and their nodes, which the tests' workers import. Never what they are to come to."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter, deque
from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import flowq
from tests.nodes import Point, Refused, Unknown


def _refuse() -> Any:
    raise Refused("no", 1)


def _surprise() -> Any:
    raise Unknown("nobody knows me")


def _group() -> Any:
    raise ExceptionGroup("several", [Refused(1), ValueError(2)])


def _chain() -> Any:
    try:
        return dict[str, int]()["key"]
    except KeyError as error:
        raise ValueError("outer", (1, 2)) from error


# What an item does, by name: it returns something, or raises.
ACTS: dict[str, Callable[[], Any]] = {
    "refuses": _refuse,
    "surprises": _surprise,
    "raises a group": _group,
    "raises from another": _chain,
    "stops": lambda: next(iter(())),
    "none": lambda: None,
    "large": lambda: 2**80,
    "not a number": lambda: float("nan"),
    "point": lambda: Point(1, 2),
    "counter": lambda: Counter("aab"),
    "deque": lambda: deque([1, (2,)], maxlen=3),
    "decimal": lambda: Decimal("1.10"),
    "keys": lambda: {1: {2}, (3, 4): b"\x00"},
    "batch": lambda: list(Doubled().map([1, 2])),
}
ITEMS: list[Callable[[int], Any]] = [
    lambda n: list(range(n)),
    lambda n: deque(range(n)),
    lambda n: (number for number in range(n)),
    lambda n: dict.fromkeys(range(n)).keys(),
    range,
]


class Doubled(flowq.ParallelBatchNode[int, int]):
    def exec(self, item: int) -> int:
        return item * 2


@flowq.register
def by_three(item: int) -> str:
    return str(item % 3)


class Acts(flowq.ParallelBatchNode[int, Any]):
    """Does to each item what *acts* says: from which try on it does well, and what it does before or else."""

    def __init__(self, acts: dict[int, tuple[str, int]], source: int = 0, n: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.acts, self.source, self.n = acts, source, n

    def prep(self, shared: Any) -> Any:
        return ITEMS[self.source](self.n)

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> Any:
        act, tries = self.acts.get(item, ("", 0))
        return ACTS[act]() if act and ctx.attempt < tries else (item, ctx.item_index, ctx.attempt)

    def exec_fallback(self, prep_res: int, exc: Exception, *, ctx: flowq.ItemContext) -> Any:
        if prep_res % 4 == 3:
            return ("instead", ctx.attempt)
        raise exc

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        told = [(one.index, one.status, one.attempts, one.error_text) for one in exec_res.items]
        shared.setdefault("told", []).append(told)
        shared["values"] = list(exec_res)


class ActsAsync(Acts):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> Any:  # type: ignore[override]
        await asyncio.sleep(0)
        return Acts.exec(self, item, ctx=ctx)


def _nth(folder: str, name: str) -> int:
    """How many have asked for this before, in whatever process."""
    with open(os.path.join(folder, name), "ab") as file:
        file.write(b".")
        file.flush()
        return os.fstat(file.fileno()).st_size - 1


class Mends(Acts):
    """As Acts, by the number of an item's executions, those of former generations included; one may sleep too long."""

    def __init__(self, acts: dict[int, tuple[str, int]], folder: str, n: int, **options: Any) -> None:
        super().__init__(acts, 0, n, **options)
        self.folder = folder

    def weigh(self, item: int) -> int:
        return 1 + item % 3

    def act_of(self, item: int) -> str:
        act, executions = self.acts.get(item, ("", 0))
        return act if _nth(self.folder, f"item {item}") < executions else ""

    def exec(self, item: int, *, ctx: flowq.ItemContext) -> Any:
        act = self.act_of(item)
        if act == "sleeps":
            time.sleep(0.3)
        return ACTS[act]() if act in ACTS else (item, ctx.item_index)


class MendsAsync(Mends):
    async def exec(self, item: int, *, ctx: flowq.ItemContext) -> Any:  # type: ignore[override]
        act = self.act_of(item)
        await asyncio.sleep(0.3 if act == "sleeps" else 0)
        return ACTS[act]() if act in ACTS else (item, ctx.item_index)


class StepMends(flowq.Node[Any, Any]):
    """A step that fails until it was executed so often, and leaves its mark."""

    def __init__(self, mark: str, fails: int, folder: str, **options: Any) -> None:
        super().__init__(**options)
        self.mark, self.fails, self.folder = mark, fails, folder

    def exec(self, prep_res: Any) -> None:
        if _nth(self.folder, f"step {self.mark}") < self.fails:
            raise Refused(self.mark)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["log"].append(self.mark)


class Leaves(flowq.Node[Any, Any]):
    """Leaves something of its item in the store."""

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        n = self.params.get("n", 0)
        shared[f"n{n}"] = n
        shared.setdefault("log", []).append(n)
        shared.setdefault("deep", {}).setdefault("er", {})[n] = [n]
        return "default" if n % 2 else "odd"


class Each(flowq.BatchFlow):
    def prep(self, shared: Any) -> Any:
        return [{"n": n} for n in range(shared["count"])]

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
        shared["each"] = [(one.index, one.status, one.output, one.error_text) for one in exec_res.items]


def drawn_batch(draw: random.Random) -> Acts:
    """A batch node with its items, what they do, and how they are run."""
    n = draw.choice([0, 1, 3, 8, 40])
    acts = {item: (draw.choice(list(ACTS)), draw.choice([1, 2, 9])) for item in draw.sample(range(n), min(n, 4))}
    options: dict[str, Any] = {"on_error": draw.choice(["collect", "skip"]), "max_retries": draw.choice([1, 2, 3])}
    for name, values in (("chunk_size", [1, 3]), ("concurrency", [1, 2]), ("limit", [2]), ("key", [by_three])):
        if draw.random() < 0.2:
            options[name] = draw.choice(values)
    return draw.choice([Acts, ActsAsync])(acts, draw.randrange(len(ITEMS)), n, **options)


def drawn_mending(draw: random.Random, folder: str) -> Mends:
    """A batch node whose items do better the next time, and what its tries pass through."""
    n = draw.choice([0, 1, 3, 8])
    acts = {i: (draw.choice([*ACTS, "sleeps"]), draw.choice([1, 2, 4, 9])) for i in draw.sample(range(n), min(n, 3))}
    # One after the other, where it matters who comes first.
    options: dict[str, Any] = {"concurrency": 1, "chunk_size": 1, "max_retries": draw.choice([1, 2]), "timeout": 0.1}
    options["on_error"] = draw.choice(["raise", "collect", "skip"])
    keyed = {"key": by_three}
    for several in (
        {"max_failures": 1}, {"rate": ["3000/s", flowq.Rate(5000, weight="weigh", burst=5)]}, keyed,
        {"cache": flowq.Cache(60, name=folder), **keyed}, {"sink": os.path.join(folder, "sink")},
        {"breaker": flowq.Breaker(failures=draw.choice([1, 2]), reset=0.05)},
        {"breaker": flowq.Breaker(failures=draw.choice([1, 2]), reset=60.0, fail_fast=True)},
    ):  # fmt: skip
        if draw.random() < 0.25:
            options.update(several)
    return draw.choice([Mends, MendsAsync])(acts, folder, n, **options)


def drawn_steps(draw: random.Random, folder: str) -> flowq.Flow:
    """A flow of steps that do better the next time, with a batch among them."""
    nodes: list[flowq.Node[Any, Any]] = [
        StepMends(mark, draw.choice([0, 0, 1, 2]), folder, max_retries=draw.choice([1, 2])) for mark in "abc"
    ]
    nodes.insert(draw.randrange(4), drawn_batch(draw))
    for node, following in pairwise(nodes):
        node >> following
    return flowq.Flow(nodes[0])


def drawn_flow(draw: random.Random) -> flowq.Flow:
    """A flow of a few of them, some within a batch flow, or in a flow of their own that has further tries."""
    nodes: list[flowq.Node[Any, Any]] = []
    for _ in range(draw.choice([1, 2, 3])):
        kind = draw.choice(["batch", "leaves", "each", "flow"])
        if kind == "each":
            first = Leaves()
            first >> drawn_batch(draw)
            nodes.append(Each(first, merge="last", on_error="collect"))
        elif kind == "flow":
            nodes.append(flowq.Flow(drawn_batch(draw), max_retries=2))
        else:
            nodes.append(drawn_batch(draw) if kind == "batch" else Leaves())
    for node, following in pairwise(nodes):
        node >> following
        if isinstance(node, Leaves):
            node - "odd" >> following
    return flowq.Flow(nodes[0])
