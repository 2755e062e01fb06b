"""Items: checks what was given as the items of a batch, and reads them incrementally."""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from collections.abc import AsyncIterable, Awaitable, Iterable, Iterator, Mapping, Sequence, Sized
from itertools import islice
from operator import index
from time import monotonic
from typing import Any, SupportsIndex

from flowq.batch.async_items import AsyncItems
from flowq.errors import BatchInputError

_TAKE_FOR_S = 0.05  # longest time that items of a slow source are held back to read more of them


def to_list(value: Any) -> list[Any]:
    """*value* as a list: empty for None, the elements of an iterable, else ``[value]``.

    A str, bytes, bytearray or mapping counts as one value.
    """
    if value is None:
        return []
    if isinstance(value, Iterable) and not isinstance(value, str | bytes | bytearray | Mapping):
        return list(value)
    return [value]


def part(items: Sequence[Any], start: int, stop: int) -> Sequence[Any]:
    """``items[start:stop]``, also for a sequence that does not support slices."""
    if isinstance(items, deque):  # indexing its middle takes linear time: iterated once
        return list(islice(items, start, stop))
    try:
        return items[start:stop]
    except TypeError:
        return [items[place] for place in range(start, min(stop, len(items)))]


class Items:
    """The items of one batch, read in order.

    Attributes:
        total: number of items; None for a source without a length until its end was reached.
        taken: number of items read.
        broken: whether reading raised, so that no more items follow and the total is unknown.
    """

    def __init__(self, name: str, given: Any, *, limit: int | None = None, max_items: int | None = None) -> None:
        """
        Args:
            name: the node's name, for errors.
            given: the return value of ``prep``: an iterable of items, or None for no items.
            limit: the number of first items to read (None: all).
            max_items: most items allowed (None: no limit); checked after *limit*.

        Raises:
            ValueError: *limit* is not an integer >= 0.
            BatchInputError: *given* is not an iterable of items, or holds more than *max_items*.
        """
        if limit is not None:
            if isinstance(limit, bool) or not isinstance(limit, SupportsIndex) or index(limit) < 0:
                raise ValueError(f"limit counts items, a whole number >= 0, or None for all; not {limit!r:.200}")
            limit = min(index(limit), sys.maxsize)
        items = _checked(name, given)
        self._name = name
        self._given = items
        self._limit = limit
        self._closed = False
        self._rest: Iterator[Any] = iter(items if limit is None else islice(items, limit))
        self._max_items = max_items
        self.taken = 0
        self.broken = False
        self.total: int | None = None
        if isinstance(items, Sized):
            self.total = len(items) if limit is None else min(limit, len(items))
            self._refuse_more_than_allowed(self.total)

    @property
    def ended(self) -> bool:
        """Whether the last item has been read."""
        return self.total is not None and self.taken >= self.total

    def take(self, n: int) -> list[Any]:
        """The next *n* items; fewer at the end or from a slow source, none only after the end.

        Raises:
            BatchInputError: there are more than ``max_items``.
        """
        try:
            taken, ended = self._next(n)
            self.taken += len(taken)
            self._refuse_more_than_allowed(self.taken)
        except BaseException:
            self.broken = True
            raise
        if ended and not self._closed:
            self.total = self.taken
        return taken

    def _next(self, n: int) -> tuple[list[Any], bool]:
        """The next *n* items, fewer from a slow source, and whether the end was reached."""
        if n == 1 or self.total is not None:
            taken = list(islice(self._rest, n))
            return taken, len(taken) < n
        taken, until = [], monotonic() + _TAKE_FOR_S
        for item in self._rest:
            taken.append(item)
            if len(taken) == n or monotonic() > until:
                return taken, False
        return taken, True

    async def take_run_async(self) -> tuple[int, list[Any]]:
        """``take_run(1)`` in an event loop; async items are awaited."""
        if not isinstance(self._given, AsyncItems):
            return self.take_run(1)
        try:
            if self.taken == self._limit:
                raise StopAsyncIteration
            item = await self._given.next_async()
            self.taken += 1
            self._refuse_more_than_allowed(self.taken)
        except StopAsyncIteration:
            self.total = self.taken
            return self.taken, []
        except asyncio.CancelledError:
            raise  # of the reader, not of the items
        except BaseException:
            self.broken = True
            raise
        return self.taken - 1, [item]

    def close(self) -> None:
        """Stop reading; thread-safe."""
        self._closed = True
        if isinstance(self._given, AsyncItems):
            self._given.close()

    def take_run(self, n: int) -> tuple[int, list[Any]]:
        """The index of the first item of :meth:`take`, and the items."""
        start = self.taken
        return start, self.take(n)

    def at_hand(self) -> Sequence[Any] | None:
        """The items if they were given as a sequence, which needs no further memory; else None."""
        return self._given if isinstance(self._given, Sequence) else None

    def _refuse_more_than_allowed(self, n: int) -> None:
        if self._max_items is not None and n > self._max_items:
            raise BatchInputError(
                self._name,
                f"more than max_items={self._max_items} items",
                way_out="Give fewer (limit= takes the first ones), or raise max_items.",
            )


class Picked:
    """Selected items of a batch, to run again, read like :class:`Items`: each take gives consecutive ones.

    Args:
        inputs: the items by index.
        indices: which of them, in ascending order.
    """

    __slots__ = ("_indices", "_inputs", "broken", "taken", "total")

    def __init__(self, inputs: Mapping[int, Any] | Sequence[Any], indices: Sequence[int]) -> None:
        self._inputs = inputs
        self.broken = False
        self._indices = indices
        self.taken = 0
        self.total = len(indices)

    def at_hand(self) -> Mapping[int, Any] | Sequence[Any] | None:
        """All available items of the batch, by index."""
        return self._inputs

    def take_run(self, n: int) -> tuple[int, list[Any]]:
        """The index of the first, and at most *n* items with consecutive indices."""
        ahead = self._indices[self.taken : self.taken + n]
        if not ahead:
            return 0, []
        start = ahead[0]
        taken = [self._inputs[index] for at, index in enumerate(ahead) if index == start + at]
        self.taken += len(taken)
        return start, taken

    async def take_run_async(self) -> tuple[int, list[Any]]:
        """``take_run(1)`` in an event loop."""
        return self.take_run(1)

    def close(self) -> None:
        """See :meth:`Items.close`; there is nothing to close."""


_ROWS_OF = {
    ("pandas", "DataFrame"): "frame.itertuples(name=None), or frame.to_dict('records')",
    ("polars", "DataFrame"): "frame.iter_rows(), or frame.to_dicts()",
}


def _checked(name: str, given: Any) -> Iterable[Any]:
    """*given* if it is an iterable of items; raises BatchInputError for a str, a dict and a data frame, too."""
    if given is None:
        return ()
    kind = type(given).__name__
    if isinstance(given, (str, bytes, bytearray)):
        raise BatchInputError(name, f"a {kind} ({given[:20]!r})")
    if isinstance(given, Mapping):
        raise BatchInputError(name, f"a {kind} (pass .items(), .keys() or .values(), whichever is meant)")
    for base in type(given).__mro__:  # by name, to avoid importing what may not be installed
        rows = _ROWS_OF.get((base.__module__.partition(".")[0], base.__name__))
        if rows is not None:
            raise BatchInputError(
                name,
                f"a {kind}, which iterates over its columns",
                way_out=f"Pass its rows: {rows}; for its columns, list(frame).",
            )
    if isinstance(given, AsyncIterable):
        raise BatchInputError(name, f"an async iterable ({kind}; read it first: [x async for x in ...])")
    if isinstance(given, Awaitable):
        raise BatchInputError(name, f"an awaitable ({kind}; await it first)")
    if not isinstance(given, Iterable) and not hasattr(type(given), "__getitem__"):
        raise BatchInputError(name, f"{given!r:.60} ({kind})")
    return given  # type: ignore[no-any-return]
