"""Pages: a batch's items, encoded in blobs of up to 256 KiB; written by the producer, read by workers."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from flowq.batch.items import part
from flowq.batch.running.twins import Marked, Twin
from flowq.codec import dumps, explain, loads, unsealed_bytes
from flowq.engine.keys import Keys
from flowq.engine.ledger import Page
from flowq.engine.redis_client import RedisClient
from flowq.engine.stored.ahead import Ahead
from flowq.errors import BatchLost, DecodeError, EncodeError

PAGE_BYTES = 256 * 1024
SMALLEST_PAGE_BYTES = 4 * 1024
READERS = 16  # with more slots than this, each of which reads the page, pages are made smaller
SHRINKS = 16
"""A page may be at most this many times larger when decompressed, because processes keep several in memory."""
PAGE_ITEMS = 4_096
"""A page could hold many more small items, but each process that runs some of them decodes the whole page."""
PROBE_ITEMS = 64
FIRST_BYTES = 8 * 1024
"""Size of the first append: small, so that the workers begin while the rest is encoded."""
APPENDS_GROW = 4
"""Factor by which further appends grow, so that workers stay busy while the next one is encoded,"""
APPEND_BYTES = 1024 * 1024
"""up to this size, or one page more."""
CACHED_PAGES = 8
CACHED_ITEMS = 8 * PAGE_ITEMS
"""Decoded small items take many times their encoded size: eight pages of dicts were 110 MiB."""
CACHED_BYTES = 8 * 1024 * 1024
READ_BYTES = 4 * 1024 * 1024
"""A range is read in pieces of at most this many bytes, decompressed, or one page more."""
FETCHED_PAGES = 16
FETCHED_BYTES = FETCHED_PAGES * PAGE_BYTES


def page_bytes(slots: int) -> int:
    """The size of a batch's pages on a fleet of *slots*.

    Slow items are given out one by one, in order: then all slots work on the same page, and each reads all of it.
    """
    return max(SMALLEST_PAGE_BYTES, min(PAGE_BYTES, PAGE_BYTES * READERS // max(1, slots)))


def encode_page(items: Sequence[Any], first: int, *, marked: bool = False) -> bytes:
    """Encode one page. Raises EncodeError with the index of the item that cannot be encoded."""
    twins: dict[int, int] = {}
    if marked:  # it may contain twins
        twins = {place: item.first for place, item in enumerate(items) if type(item) is Twin}
        items = [None if place in twins else item for place, item in enumerate(items)]
    try:
        plain = items if type(items) is list else list(items)
        return dumps((plain, twins) if twins else plain)
    except EncodeError as error:
        for offset, item in enumerate(items):
            found = explain(item, first + offset)
            if found is not None:
                raise found from None
        raise error


class EndedBefore(Exception):
    """The iterable has only *given* items, fewer than the place to begin at."""

    def __init__(self, given: int) -> None:
        super().__init__(given)
        self.given = given


class Pager:
    """Cuts an iterable into encoded pages: ``for pages, last in Pager(items)``.

    The *pages* of one turn are to be written in one step; ``last`` means that nothing follows, so that this step can
    seal the batch. There is at least one turn. The last turn may have no pages; of an iterator, the first one has none,
    nor has one while it is slow.

    Args:
        items: what is cut; those before *at* are skipped.
        at: the index of the first item to encode.
        size_bytes: of a page, at most; a single item may be larger.
        first_items: the first turn of a sequence has at least this many items, if there are so many.

    Raises (during iteration):
        EndedBefore: there are fewer items than *at*.
        EncodeError: an item cannot be encoded.
    """

    def __init__(
        self, items: Iterable[Any], at: int = 0, size_bytes: int = PAGE_BYTES, *, first_items: int = 1
    ) -> None:
        self._items = items
        self._first_items = first_items
        self._size_bytes = size_bytes
        self._marked = isinstance(items, Marked)
        self._at = at
        self._fits = PROBE_ITEMS
        self._has_seen_one = False

    def __iter__(self) -> Iterator[tuple[list[Page], bool]]:
        if isinstance(self._items, Sequence):
            yield from self._of_sequence(self._items)
        else:
            yield from self._of_iterator(iter(self._items))

    def _of_sequence(self, items: Sequence[Any]) -> Iterator[tuple[list[Page], bool]]:
        at, total = self._at, len(items)
        if total < at:
            raise EndedBefore(total)
        pages, size_bytes = list[Page](), 0
        enough_bytes, enough_items = FIRST_BYTES, at + self._first_items
        while at < total:
            page = self._fill(part(items, at, at + self._fits), at)
            pages.append(page)
            at, size_bytes = at + page.n, size_bytes + len(page.blob)
            enough = size_bytes >= enough_bytes and at >= enough_items
            if at < total and (enough or size_bytes >= APPEND_BYTES):
                yield pages, False
                pages, size_bytes, enough_bytes = [], 0, min(APPEND_BYTES, APPENDS_GROW * enough_bytes)
        yield pages, True

    def _of_iterator(self, items: Iterator[Any]) -> Iterator[tuple[list[Page], bool]]:
        at = self._at
        given = sum(1 for _ in islice(items, at))  # the producer resumes its batch: these are already written
        if given < at:
            raise EndedBefore(given)
        ahead, ended, sealed = Ahead(items), False, False
        try:
            yield [], False  # the source is being read
            while not ended:
                held, ended = ahead.take(self._fits)
                if not held and not ended:
                    yield [], False
                while held:
                    page = self._fill(held[: self._fits], at)
                    at += page.n
                    del held[: page.n]
                    sealed = ended and not held
                    yield [page], sealed
        finally:
            ahead.stop()
        if not sealed:
            yield [], True

    def _fill(self, items: Sequence[Any], at: int) -> Page:
        """Encode as many of *items* as fit in one page, and adjust the estimate for the next page."""
        if not self._has_seen_one:
            items = items[: self._fit_like(items[:1], at)]
        while True:
            n = len(items)
            try:
                blob = encode_page(items, at, marked=self._marked)
            except EncodeError as error:
                if error.index is not None or n == 1:
                    raise
                items = items[: n // 2]  # each item can be encoded, but together they exceed a limit
                continue
            size = max(len(blob), unsealed_bytes(blob) // SHRINKS)
            fits = self._size_bytes * n * 9 // (size * 10)
            if size <= self._size_bytes or n == 1:
                self._fits = max(1, min(PAGE_ITEMS, 8 * n, fits))
                return Page(n, blob)
            items = items[: max(1, min(n - 1, fits))]

    def _fit_like(self, first: Sequence[Any], at: int) -> int:
        """How many items fit if all are like *first*: avoids encoding many large ones in vain."""
        self._has_seen_one = True
        return max(1, self._size_bytes // len(encode_page(first, at, marked=self._marked)))


class PageReader:
    """Reads items of batches by index, for one thread; keeps the last used pages decoded."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys
        self._cache: OrderedDict[tuple[str, int], _Decoded] = OrderedDict()
        self._blobs: dict[tuple[str, int], bytes | None] = {}
        self._fetch_at_once = FETCHED_PAGES

    def bring(self, batch_id: str, firsts: Sequence[int], content: Sequence[bytes | None]) -> None:
        """Keep the pages that a claim returned with its range (perhaps none), so that they need not be fetched."""
        self._blobs = {(batch_id, first): page for first, page in zip(firsts, content, strict=False)}

    def forget(self, batch_id: str) -> None:
        """Drop the cached pages of a batch, because they may have changed."""
        for place in [place for place in self._cache if place[0] == batch_id]:
            del self._cache[place]
        self._blobs = {}

    def read(self, batch_id: str, start: int, stop: int, firsts: Sequence[int]) -> list[Any]:
        """Items from *start* on, in the pages that begin at *firsts* (ascending; more than needed may be given).

        At most to *stop*, and to the end of a page where more than ``READ_BYTES`` lie before it, decompressed.

        Raises:
            BatchLost: a page does not exist.
            DecodeError: a page was altered, or contains a class unknown to this process.
        """
        # A page ends where the next begins: those that end before *start* are not needed.
        begin = max(0, bisect_right(firsts, start) - 1)
        firsts = firsts[begin : bisect_left(firsts, stop)]
        items: list[Any] = []
        size_bytes = 0
        for place, first in enumerate(firsts):
            if size_bytes >= READ_BYTES:
                stop = first
                break
            page, page_bytes = self._page(batch_id, firsts, place)
            size_bytes += page_bytes
            is_whole = start <= first and first + len(page) <= stop
            items += page if is_whole else page[max(0, start - first) : stop - first]
        if len(items) != stop - start:
            raise DecodeError(f"items {start} to {stop} of batch {batch_id}: their pages hold {len(items)} of them")
        return items

    def one(self, batch_id: str, index: int, first: int) -> Any:
        """The item at *index*, in the page that begins at *first*; raises what ``read`` raises, and IndexError."""
        return self._page(batch_id, [first], 0).items[index - first]

    def _page(self, batch_id: str, firsts: Sequence[int], place: int) -> _Decoded:
        """The page that begins at ``firsts[place]``; those after it may be fetched with it."""
        key = batch_id, firsts[place]
        page = self._cache.get(key)
        if page is not None:
            self._cache.move_to_end(key)
            return page
        if key not in self._blobs:
            self._fetch(batch_id, firsts[place:])
        blob = self._blobs.pop(key)
        if blob is None:
            raise BatchLost(batch_id)
        items = _decoded(loads(blob))
        if items is None:
            raise DecodeError(f"page {firsts[place]} of batch {batch_id} is no list of items")
        page = self._cache[key] = _Decoded(items, unsealed_bytes(blob))
        self._forget_oldest()
        return page

    def _forget_oldest(self) -> None:
        """Drop the least recently used pages if there are too many, but never the last one."""
        n = sum(len(page.items) for page in self._cache.values())
        size_bytes = sum(page.size_bytes for page in self._cache.values())
        while len(self._cache) > 1 and (
            len(self._cache) > CACHED_PAGES or n > CACHED_ITEMS or size_bytes > CACHED_BYTES
        ):
            oldest = self._cache.popitem(last=False)[1]
            n, size_bytes = n - len(oldest.items), size_bytes - oldest.size_bytes

    def _fetch(self, batch_id: str, firsts: Sequence[int]) -> None:
        """Fetch the first of these pages, still encoded, and some that follow it: fewer if the last ones were large."""
        missing = (first for first in firsts if (batch_id, first) not in self._cache)
        wanted = list(islice(missing, self._fetch_at_once))
        blobs: Sequence[bytes | None] = self._redis.hmget(
            self._keys.of(batch_id, "pages"), [str(first) for first in wanted]
        )
        self._blobs = {(batch_id, first): blob for first, blob in zip(wanted, blobs, strict=True)}
        largest = max(len(blob or b"") for blob in blobs)
        self._fetch_at_once = max(1, min(FETCHED_PAGES, FETCHED_BYTES // max(1, largest)))


class _Decoded(NamedTuple):
    """A page's items, and the bytes that they were decoded from."""

    items: list[Any]
    size_bytes: int


def _decoded(page: Any) -> list[Any] | None:
    """The items of a decoded page, including twins; None if it is not a page."""
    if type(page) is list:
        return page
    if type(page) is not tuple or len(page) != 2:
        return None
    items, twins = page
    if type(items) is not list or type(twins) is not dict:
        return None
    for place, first in twins.items():
        if type(place) is not int or type(first) is not int or not 0 <= place < len(items):
            return None
        items[place] = Twin(first)
    return items
