"""Chunking by hand, for the systems that have no chunks of their own: cut, one task a chunk, join.

Imports none of them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any

from benchmarks import work


def functions() -> dict[str, Callable[..., Any]]:
    """What is to be registered as a task where a system wants that: all of `benchmarks.work`, by name."""
    return {name: one for name, one in inspect.getmembers(work, inspect.isfunction) if one.__module__ == work.__name__}


def each(function: str, items: Sequence[Any]) -> list[Any]:
    """A task for a whole chunk."""
    call = getattr(work, function)
    return [call(item) for item in items]


def weigh_each(store: str, items: Sequence[int]) -> list[int]:
    """A task for a whole chunk that brings the store along."""
    return [work.weigh(store, item) for item in items]


async def nap_async(seconds: float) -> float:
    """An item that awaits, for the systems whose tasks may be async."""
    await asyncio.sleep(seconds)
    return seconds


async def nap_within(seconds: float, at_once: int) -> float:
    """The same, at most so many at once in a process whose own limit is higher."""
    async with places(at_once):
        return await nap_async(seconds)


@cache
def places(at_once: int) -> asyncio.Semaphore:
    """Of one process, whose items all await in one loop."""
    return asyncio.Semaphore(at_once)


def cut(items: Sequence[Any], chunks: int) -> list[list[Any]]:
    """That many chunks, all but the last equally long; fewer where there are fewer items."""
    size = max(1, -(-len(items) // chunks))
    return [list(items[start : start + size]) for start in range(0, len(items), size)]


def join(values: Sequence[list[Any]]) -> list[Any]:
    """The values of all chunks, in item order."""
    return list(chain.from_iterable(values))
