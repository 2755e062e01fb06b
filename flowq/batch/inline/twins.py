"""InlineTwins: items of a batch in this process that have the key of an earlier item, and their outcomes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flowq.batch.results.done import Done, ItemDone
from flowq.batch.running.twins import Firsts, copy_of


class InlineTwins:
    """Keeps the outcomes of a batch's items, so that later items with the same key, their twins, get the same outcome.

    Args:
        key_of: function from an item to its key.
    """

    def __init__(self, key_of: Callable[[Any], Any]) -> None:
        self._firsts = Firsts(key_of)
        self._runs: list[Done] = []  # one after another
        self._starts: list[int] = []
        self._items: dict[int, ItemDone] = {}  # side by side
        self._waiting: dict[int, list[int]] = {}

    def before(self, index: int, item: Any) -> int | None:
        """The index of the first item with the same key, if there is an earlier one."""
        return self._firsts.before(index, item)

    # -- one after another -----------------------------------------------------------------------------------------

    def until_change(self, start: int, items: Sequence[Any]) -> tuple[Sequence[Any], list[int]]:
        """The items before the first twin; if *items* begin with twins, the indices of their first items instead."""
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
        """Add the Done of a run; called in item order."""
        self._runs.append(done)
        self._starts.append(done.start)

    def ended(self, first: int, index: int) -> ItemDone:
        """The outcome for the item at *index*, a twin of the item *first*, which must be in an added run."""
        done = self._runs[bisect_right(self._starts, first) - 1]
        return copy_of(done.item(first), index)

    # -- side by side ----------------------------------------------------------------------------------------------

    def note_item(self, index: int, item: ItemDone) -> Iterator[tuple[int, ItemDone]]:
        """Add the outcome of an item; yields the twins that waited for it, with their outcomes."""
        self._items[index] = item
        for twin in self._waiting.pop(index, ()):
            yield twin, copy_of(item, twin)

    def wait_for(self, first: int, index: int) -> list[ItemDone]:
        """The outcome for the item at *index* if its twin *first* has ended; else an empty list, and the item waits."""
        item = self._items.get(first)
        if item is not None:
            return [copy_of(item, index)]
        self._waiting.setdefault(first, []).append(index)
        return []
