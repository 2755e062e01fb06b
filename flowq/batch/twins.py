"""Items with the key of an earlier one: computed once in a batch, with an outcome each. Never here: running any."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Any

from flowq.batch.chunk import ItemDone


@dataclass(frozen=True, slots=True)
class Twin:
    """Stands where an item stood whose key an earlier one has.

    Attributes:
        first: index of the first item of that key.
    """

    first: int


class Firsts:
    """The first item of each key seen so far. Memory: 16 bytes a key, and what a dict takes for them; some 170 in all.

    Args:
        key_of: makes an item's key of it, None for one that is like no other. What it raises ends the batch.
    """

    def __init__(self, key_of: Callable[[Any], Any]) -> None:
        self._key_of = key_of
        self._first: dict[bytes, int] = {}

    def before(self, index: int, item: Any) -> int | None:
        """The index of an earlier item with the key of this one; None if this is the first."""
        key = self._key_of(item)
        if key is None:
            return None
        first = self._first.setdefault(
            blake2b(str(key).encode("utf-8", "surrogatepass"), digest_size=16).digest(), index
        )
        return None if first == index else first


class Marked(Iterable[Any]):
    """*items* with a Twin in place of each that has the key of an earlier one; can be read as often as *items* can."""

    def __init__(self, items: Iterable[Any], key_of: Callable[[Any], Any]) -> None:
        self._items, self._key_of = items, key_of
        self.can_be_read_again = not isinstance(items, Iterator)

    def __iter__(self) -> Iterator[Any]:
        firsts = Firsts(self._key_of)
        for index, item in enumerate(self._items):
            first = firsts.before(index, item)
            yield item if first is None else Twin(first)


def copy_of(item: ItemDone, index: int) -> ItemDone:
    """How the item at *index* ends, whose twin ended as *item* did: without any time of its own."""
    outcome = None if item.outcome is None else replace(item.outcome, index=index)
    return ItemDone(item.value, outcome)
