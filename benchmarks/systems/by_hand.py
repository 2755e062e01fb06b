"""Chunking by hand, for the systems that have no chunks of their own: cut, one task a chunk, join.

Knows none of them.
"""

from __future__ import annotations

import asyncio
import inspect
from abc import abstractmethod
from collections.abc import Callable, Sequence
from functools import cache
from itertools import chain
from typing import Any, ClassVar

from benchmarks import work
from benchmarks.systems.system import System


class ByHand(System):
    """A system that runs a task for each call of a function, and whose user cuts the items.

    Attributes:
        chunks_a_slot: the number of chunks that serves it best.
    """

    chunks_a_slot: ClassVar[int]

    def __init__(self) -> None:
        self._slots = 0

    @abstractmethod
    def run(self, task: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The values of one task for each of these arguments, in order; *task* is named in `functions`."""

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self.run(function, [(item,) for item in items])

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self.in_chunks(function, items, self.chunks_a_slot)

    def in_chunks(self, function: str, items: Sequence[Any], a_slot: int) -> list[Any]:
        """The items in so many chunks a slot."""
        return join(self.run("each", [(function, chunk) for chunk in cut(items, a_slot * self._slots)]))

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        """The store in one message a slot: fewer do not fill the slots, more carry it more often."""
        return join(self.run("weigh_each", [(store, chunk) for chunk in cut(items, self._slots)]))


def functions() -> dict[str, Callable[..., Any]]:
    """What is to be registered as a task where a system wants that: all of `benchmarks.work`, and chunks, by name."""
    own = {name: one for name, one in inspect.getmembers(work, inspect.isfunction) if one.__module__ == work.__name__}
    return {**own, "each": each, "weigh_each": weigh_each}


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
