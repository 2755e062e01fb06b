"""The workloads as data: what each system is asked to do, with how many items, and what it must answer.

Never here: the clock (interleave.py) and the systems. W7, W9 and memory are programs of their own.
"""

from __future__ import annotations

import base64
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from benchmarks import work
from benchmarks.systems.system import System

KIB, MIB = 1 << 10, 1 << 20
NAP_S = 0.05
# By their names in benchmarks.systems.
CELERY = ("chord", "group")
LOCAL = ("pool", "joblib")
OTHERS = ("dramatiq", "huey", "rq", "taskiq", "dask", "ray")
PEERS = (*CELERY, *OTHERS, *LOCAL, "pocketflow")
WITH_PROCESSES = WITH_STORE = (*CELERY, *OTHERS, *LOCAL)
# The pool's processes with asyncio.gather in them stand for both local ones.
WITH_AWAITS = ("gather", *CELERY, *OTHERS, "pocketflow")

# One run: does the work, and returns what is to be checked and what it should be. Only `run` is timed.
Run = Callable[[System], object]


@dataclass(frozen=True)
class Ask:
    """One run's work, ready: inputs made, nothing timed yet."""

    run: Run
    expected: object


@dataclass(frozen=True)
class Workload:
    """One workload.

    Attributes:
        key: how it is called on the command line and in the table.
        what: in words.
        items: how many.
        ask: makes a run of so many items in that way.
        ways: in which ways a peer is used: ``map`` or ``chunks``; ``("",)`` where there is one.
        ours: the way in which flowq is used.
        ideal: the system, and its way, that says what the machine allows; None: nobody.
        peers: who is measured beside it.
        shrinks: it stays the same workload with fewer items, so that a slow peer may be measured with fewer.
        least: how many those must be; fewer than are to be in flight at a time would not be the same.
        least_of: that for some peers in some way, whatever time it takes.
        rounds: how many times the rounds of the others: what takes milliseconds is measured more often.
        store_bytes: of its shared store; 0: it has none.
    """

    key: str
    what: str
    items: int
    ask: Callable[[int, str], Ask]
    ways: tuple[str, ...] = ("",)
    ours: str = "map"
    ideal: tuple[str, str] | None = None
    peers: tuple[str, ...] = PEERS
    shrinks: bool = False
    least: int = 1
    least_of: Mapping[tuple[str, str], int] = field(default_factory=dict)
    rounds: int = 1
    store_bytes: int = 0


def mapped(function: str, items: list[Any], expected: list[Any], way: str) -> Ask:
    """One function over all items, a task an item or chunked by hand."""
    if way == "chunks":
        return Ask(lambda system: system.chunks(function, items), expected)
    return Ask(lambda system: system.map(function, items), expected)


def noops(count: int, way: str) -> Ask:
    items = list(range(count))
    return mapped("noop", items, items, way)


def burns(seconds: tuple[float, ...], count: int, way: str) -> Ask:
    loops, expected = burned(seconds)
    return mapped("burn", list(loops[:count]), list(expected[:count]), way)


def awaits(in_flight: int, count: int, way: str) -> Ask:
    seconds = [NAP_S] * count
    return Ask(lambda system: system.awaits(seconds, in_flight), None)


def stored(store_bytes: int, count: int, way: str) -> Ask:
    """Each run with a store that nobody has seen yet. The way "bare" has the items alone, over an empty one."""
    store, items = "" if way == "bare" else text(store_bytes, time.time_ns()), list(range(count))
    return Ask(lambda system: system.with_store(store, items), [len(store) + item for item in items])


def latency(count: int, way: str) -> Ask:
    if count == 1:
        return Ask(lambda system: system.one(7), 7)
    return noops(count, way)


def payloads(count: int, way: str) -> Ask:
    whole = text(100 * KIB * count)
    # None like another: together they would be squeezed.
    items = [whole[first : first + 100 * KIB] for first in range(0, len(whole), 100 * KIB)]
    return mapped("turned", items, [work.turned(item) for item in items], way)


def nested(count: int, way: str) -> Ask:
    """Groups of fifty, or all of them in one batch: the way "flat"."""
    if way == "flat":
        return mapped("nap", [0.01] * count, [0.01] * count, way)
    groups = [[0.01] * 50 for _ in range(count // 50)]
    return Ask(lambda system: system.nested(groups), groups)


@cache
def lognormal(seed: int = 1, count: int = 400) -> tuple[float, ...]:
    """Seconds between 0.1 ms and 2 s, most of them short; 14 s together."""
    chance = random.Random(seed)
    return tuple(min(2.0, max(0.0001, chance.lognormvariate(-5.0, 1.8))) for _ in range(count))


def text(size: int, seed: int = 7) -> str:
    """Base64 of bytes by chance: zstd takes a quarter off, not more."""
    return base64.b64encode(random.Random(seed).randbytes(size * 3 // 4 + 3)).decode()[:size]


@cache
def burned(seconds: tuple[float, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Loops of CPU work that take so long here, and what they return."""
    loops = tuple(int(loops_per_s() * each) for each in seconds)
    known = work.burned(loops)
    return loops, tuple(known[each] for each in loops)


@cache
def loops_per_s() -> int:
    """Of this machine, measured once a program, so that every system of a run gets the same items."""
    return work.loops_per_s()


BOTH = ("map", "chunks")
SKEWED = lognormal()

WORKLOADS = (
    Workload("W1-10k", "10,000 no-op items", 10_000, noops, BOTH, ideal=("pool", "chunks"), shrinks=True),
    Workload(
        "W1-100k", "100,000 no-op items", 100_000, noops, BOTH,
        ideal=("pool", "chunks"), shrinks=True, least_of={("chord", "map"): 10_000},
    ),
    # One task an item is measured at 10,000 items there already.
    Workload("W1-1M", "1,000,000 no-op items", 1_000_000, noops, ("chunks",), ideal=("pool", "chunks"), shrinks=True),
    Workload(
        "W2-200", "20,000 awaits of 50 ms, 200 in flight", 20_000, partial(awaits, 200),
        ideal=("gather", ""), peers=WITH_AWAITS, shrinks=True, least=200,
    ),
    Workload(
        "W2-2000", "200,000 awaits of 50 ms, 2,000 in flight", 200_000, partial(awaits, 2_000),
        ideal=("gather", ""), peers=WITH_AWAITS, shrinks=True, least=2_000,
    ),
    Workload("W3-10ms", "400 × 10 ms of CPU", 400, partial(burns, (0.010,) * 400), ("map",), ideal=("pool", "map")),
    Workload("W3-1ms", "4,000 × 1 ms of CPU", 4_000, partial(burns, (0.001,) * 4_000), BOTH, ideal=("pool", "map")),
    Workload(
        "W3-lognormal", f"{len(SKEWED)} lognormal items of 0.1 ms to 2 s of CPU, {sum(SKEWED):.1f} s together",
        len(SKEWED), partial(burns, SKEWED), ("map",), ideal=("pool", "map"), peers=WITH_PROCESSES,
    ),
    Workload(
        "W4-1MiB", "2,000 items with a shared store of 1 MiB", 2_000, partial(stored, MIB),
        peers=WITH_STORE, store_bytes=MIB,
    ),
    Workload(
        "W4-64MiB", "2,000 items with a shared store of 64 MiB", 2_000, partial(stored, 64 * MIB),
        peers=WITH_STORE, store_bytes=64 * MIB,
    ),
    Workload("W5-1", "a batch of 1; of the others one task and back", 1, latency, rounds=8),
    Workload("W5-10", "a batch of 10", 10, latency, rounds=4),
    Workload(
        "W6", "2,000 items of 100 KiB, in and out", 2_000, payloads,
        ideal=("redis", ""), peers=("redis", *PEERS), shrinks=True,
    ),
    Workload(
        "W8", "50 × 50 nested items of 10 ms; beside it 2,500 flat ones of flowq", 2_500, nested, ("flat",),
        ours="nested", peers=("flowq",),
    ),
)  # fmt: skip
