"""Twins: items with the key of an earlier item of the batch, which are computed once and have an outcome each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from flowq.batch.results.done import ItemDone


@dataclass(frozen=True, slots=True)
class Twin:
    """Placeholder for an item with the key of an earlier item.

    Attributes:
        first: index of the first item of that key.
    """

    first: int


class Firsts:
    """The index of the first item of each key seen so far. Uses about 170 bytes per key.

    Args:
        key_of: function from an item to its key; None for an item without twins. An exception from it ends the batch.
    """

    def __init__(self, key_of: Callable[[Any], Any]) -> None:
        self._key_of = key_of
        self._first: dict[bytes, int] = {}

    def before(self, index: int, item: Any) -> int | None:
        """The index of the first item with the same key; None if this is the first."""
        key = self._key_of(item)
        if key is None:
            return None
        first = self._first.setdefault(
            blake2b(str(key).encode("utf-8", "surrogatepass"), digest_size=16).digest(), index
        )
        return None if first == index else first


class Marked(Iterable[Any]):
    """*items* with a Twin in place of each item with the key of an earlier one; iterable as often as *items*."""

    def __init__(self, items: Iterable[Any], key_of: Callable[[Any], Any]) -> None:
        self._items, self._key_of = items, key_of
        self.can_be_read_again = not isinstance(items, Iterator)

    def __iter__(self) -> Iterator[Any]:
        firsts = Firsts(self._key_of)
        for index, item in enumerate(self._items):
            first = firsts.before(index, item)
            yield item if first is None else Twin(first)


def until_change(items: Sequence[Any], place: int) -> tuple[int, bool]:
    """The place up to which items from *place* on are all twins, or all none; and which of the two."""
    are_twins = type(items[place]) is Twin
    changes = (at for at in range(place + 1, len(items)) if (type(items[at]) is Twin) is not are_twins)
    return next(changes, len(items)), are_twins


def copy_of(item: ItemDone, index: int) -> ItemDone:
    """The ItemDone of the item at *index*, a twin of an item that ended as *item*; it took no time itself."""
    outcome = None if item.outcome is None else replace(item.outcome, index=index)
    return ItemDone(item.value, outcome)
