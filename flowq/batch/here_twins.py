"""Twins of a batch that runs in this process: which items are some, and how they end. Never runs an item."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flowq.batch.chunk import Done, ItemDone
from flowq.batch.twins import Firsts, copy_of


class HereTwins:
    """Remembers what the items of a batch came to, so that those of the same key end alike.

    Args:
        key_of: makes an item's key of it.
    """

    def __init__(self, key_of: Callable[[Any], Any]) -> None:
        self._firsts = Firsts(key_of)
        self._runs: list[Done] = []  # one after another
        self._starts: list[int] = []
        self._items: dict[int, ItemDone] = {}  # side by side
        self._waiting: dict[int, list[int]] = {}

    def before(self, index: int, item: Any) -> int | None:
        """The index of an earlier item of the same key, if there is one."""
        return self._firsts.before(index, item)

    # -- one after another -----------------------------------------------------------------------------------------

    def until_change(self, start: int, items: Sequence[Any]) -> tuple[Sequence[Any], list[int]]:
        """The items before the first twin; or, if it comes first, the first items of the twins before the next item."""
        firsts: list[int] = []
        for place, item in enumerate(items):
            first = self._firsts.before(start + place, item)
            if first is None and firsts:
                return [], firsts
            if first is not None:
                if place > len(firsts):
                    return items[:place], []
                firsts.append(first)
        return ([], firsts) if firsts else (items, [])

    def note_run(self, done: Done) -> None:
        """A run has ended; runs come in item order."""
        self._runs.append(done)
        self._starts.append(done.start)

    def ended(self, first: int, index: int) -> ItemDone:
        """How the item at *index* ends, whose twin is the item *first*, of a run that has ended."""
        done = self._runs[bisect_right(self._starts, first) - 1]
        return copy_of(ItemDone(done.values[first - done.start], done.notable.get(first)), index)

    # -- side by side ----------------------------------------------------------------------------------------------

    def note_item(self, index: int, item: ItemDone) -> Iterator[tuple[int, ItemDone]]:
        """An item has ended; answers the twins that waited for it, and how they end."""
        self._items[index] = item
        for twin in self._waiting.pop(index, ()):
            yield twin, copy_of(item, twin)

    def wait_for(self, first: int, index: int) -> list[ItemDone]:
        """How the item at *index* ends, if its twin has ended; else nothing, and it waits for that."""
        item = self._items.get(first)
        if item is not None:
            return [copy_of(item, index)]
        self._waiting.setdefault(first, []).append(index)
        return []
