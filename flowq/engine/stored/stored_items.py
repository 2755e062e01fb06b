"""The items of a batch as Redis holds them, for readers other than its producer. Read-only; workers use pages.py."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

from flowq.batch.running.twins import Twin
from flowq.engine.connection import Connections
from flowq.engine.stored.on_the_way import read
from flowq.engine.stored.pages import PageReader
from flowq.errors import BatchLost
from flowq.registry import sent_as_list


class StoredItems(Mapping[int, Any]):
    """Items by index, each fetched when it is asked for; those whose page was dropped are missing. For any threads."""

    def __init__(self, connections: Connections, batch_id: str) -> None:
        self._connections, self._batch_id = connections, batch_id
        self._pages = PageReader(connections.redis, connections.keys)
        self._one_reads = threading.Lock()  # a PageReader is for one thread

    def __getitem__(self, index: int) -> Any:
        """The item at *index*.

        Raises:
            KeyError: Redis does not hold it.
            DecodeError: its class is unknown to this process.
        """
        place = self._connections.keys.of(self._batch_id, "index")
        first = self._connections.redis.zrevrangebyscore(place, index, "-inf", start=0, num=1)
        if index < 0 or not first or index >= len(self):
            raise KeyError(index)
        try:
            with self._one_reads:
                item = self._pages.one(self._batch_id, index, int(first[0]))
        except (BatchLost, IndexError):
            raise KeyError(index) from None
        return self[item.first] if isinstance(item, Twin) else item

    def __len__(self) -> int:
        return int(self._connections.redis.hget(self._connections.keys.meta(self._batch_id), "avail") or 0)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))


@sent_as_list
class StoredSequence(Sequence[Any]):
    """The items of a batch in order, fetched page by page: what ``post`` gets for a batch that the walk waited for.

    Equals a list of the same items, and is encoded as that list.
    """

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __init__(self, connections: Connections, batch_id: str, n: int) -> None:
        self._connections, self._stored, self._n = connections, StoredItems(connections, batch_id), n

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        """The item at *index*.

        Raises:
            IndexError: it is out of range.
            LookupError: Redis no longer holds it. (An IndexError would end an iteration silently.)
            OutOfReach: Redis has not answered for 30 s.
        """
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(self._n))]
        place = index + self._n if index < 0 else index
        if not 0 <= place < self._n:
            raise IndexError(f"there is no item {index} among {self._n}")
        try:
            return read(self._connections, lambda: self._stored[place])
        except KeyError:
            raise LookupError(
                f"item {place} of {self._n} is no longer there: items of an iterator are dropped as they end well. "
                "Return a list from prep, or have exec return what post needs of an item"
            ) from None

    def __len__(self) -> int:
        return self._n

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, list | StoredSequence):
            return self is other
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))
