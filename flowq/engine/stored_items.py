"""The items of a batch as Redis holds them, for whoever did not submit it. Reads only; workers use pages.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from flowq.engine.connection import Connections
from flowq.engine.pages import PageReader
from flowq.errors import BatchLost


class StoredItems(Mapping[int, Any]):
    """Items by index, each read when it is asked for; those whose page Redis holds no more are not there."""

    def __init__(self, connections: Connections, batch_id: str) -> None:
        self._connections, self._batch_id = connections, batch_id
        self._pages = PageReader(connections.redis, connections.keys)

    def __getitem__(self, index: int) -> Any:
        """The item at *index*.

        Raises:
            KeyError: it is not there.
            DecodeError: it is of a class that this process does not know.
        """
        place = self._connections.keys.of(self._batch_id, "index")
        first = self._connections.redis.zrevrangebyscore(place, index, "-inf", start=0, num=1)
        if index < 0 or not first or index >= len(self):
            raise KeyError(index)
        try:
            return self._pages.one(self._batch_id, index, int(first[0]))
        except (BatchLost, IndexError):
            raise KeyError(index) from None

    def __len__(self) -> int:
        return int(self._connections.redis.hget(self._connections.keys.meta(self._batch_id), "avail") or 0)

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))
