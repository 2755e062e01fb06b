"""Feeding a batch: writing its pages to the ledger and publishing its first window. Ends when all items are written."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from typing import Any, Literal, NamedTuple

from flowq.batch.running.twins import Marked
from flowq.core.journey import OutOfReach
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_aggregate, publish_chunks
from flowq.engine.feed_beats import is_fed
from flowq.engine.fleet.presence import window_of
from flowq.engine.ledger import Appended, Elsewhere, Page
from flowq.engine.patience import when_room, when_there
from flowq.engine.reading.results import read_state
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.engine.stored.pages import EndedBefore, Pager, page_bytes
from flowq.errors import BatchLost, FewerItems, NoRedis, RedisFull

log = logging.getLogger("flowq.feed")

UNREAD_BYTES = 48 * 1024 * 1024
KEPT_BYTES = 4 * 1024 * 1024  # of written pages, kept in case a failover of Redis loses them
READERS_LOOK_S = 0.02
LOOK_EVERY_S = 0.2  # how often to check whether the producer that feeds a batch is still alive

Place = int | Literal["whole", "fed"]  # where to feed from; or it takes no more items; or another producer feeds it


def place_of(connections: Connections, batch_id: str) -> Place:
    """The place from which a producer has to feed a batch, or why it need not."""
    try:
        state = read_state(connections, batch_id)
    except BatchLost:
        return 0
    if state.closed or state.sealed:
        return "whole"
    beats_until_ms = connections.redis.zscore(connections.keys.of(batch_id, "wake"), "feed")
    return "fed" if is_fed(beats_until_ms, connections.redis.time()) else state.avail


class Forgotten(Exception):
    """The ledger stands at *avail*, before the first page that this producer still keeps."""

    def __init__(self, avail: int) -> None:
        super().__init__(avail)
        self.avail = avail


class Piece(NamedTuple):
    """What is written in one step: *pages* from index *at* on; *last* if it seals the batch."""

    at: int
    pages: Sequence[Page]
    last: bool

    @property
    def upto(self) -> int:
        """The index after its last item."""
        return self.at + sum(page.n for page in self.pages)

    @property
    def size_bytes(self) -> int:
        return sum(len(page.blob) for page in self.pages)


class Feeder:
    """Writes one batch's items.

    Redelivery: every append is compared with the place where the ledger stands, so that items are never written twice.

    Args:
        connections: this process's connections.
        header: the batch's header.
        birth: the batch's ledger fields, see engine/feeding/birth.py.
        slots: the slots that it may use.
        resumable: the batch has a key: if feeding ends early, another submit under that key can continue it. Any other
            batch is then cancelled: half a batch must not run, and nobody could feed the rest.
        comes_again: an item feeds it, which is tried again if Redis is away or full: it waits for room from its first
            page on, and a later try writes the rest.
        gen: the generation that takes the items; if the batch has a later one, it was closed meanwhile.
        unread_bytes: pause while more bytes than this lie in Redis that no worker has begun (None: never pause).

    Attributes:
        error: what ended the feeding early; set before waiters are told that the batch has ended.
        went_on_at: the monotonic time at which the source last gave items, or was not asked since there were enough.
    """

    def __init__(
        self,
        connections: Connections,
        header: Header,
        birth: dict[str, Any],
        slots: int,
        *,
        resumable: bool = False,
        comes_again: bool = False,
        gen: int = 0,
        unread_bytes: int | None = UNREAD_BYTES,
    ) -> None:
        self._connections = connections
        self._unread_bytes = unread_bytes
        self._resumable, self._comes_again, self._gen = resumable, comes_again, gen
        self._header = header
        self._birth = birth
        self._slots = slots
        self._window = window_of(slots)
        self._page_bytes = page_bytes(slots)
        # If the items are known to be short: one chunk for each slot.
        self._first_items = int(birth.get("floor", 1)) * slots
        self._recent: deque[Piece] = deque()
        self._recent_total = 0  # bytes
        self._unread: deque[tuple[int, int]] = deque()
        self._unread_total = 0  # bytes
        self.error: BaseException | None = None
        self.went_on_at = 0.0

    @property
    def batch_id(self) -> str:
        """The id of the batch."""
        return self._header.id

    def begin(self, at: int) -> None:
        """Create the batch without items, for a producer that has no item yet.

        Raises:
            RedisFull: there is no room for items; nothing was created.
        """
        if at == 0:
            when_there(self._connections, self._connections.headroom.require)
            self._append(Piece(0, (), False))

    def feed(self, items: Iterable[Any]) -> None:
        """Run all ``steps`` from the first item on; raises what they raise."""
        for _ in self.steps(items):
            pass

    def take_over(self, items: Iterable[Any]) -> None:
        """Run all of ``take_over_steps``; raises what it raises."""
        for _ in self.take_over_steps(items):
            pass

    def take_over_steps(self, items: Iterable[Any]) -> Generator[None, None, None]:
        """Wait while another producer feeds the batch, a step each time; run ``steps`` for the rest if it stops early.

        Raises:
            EncodeError, RedisFull, NoRedis, BatchLost: as ``steps``.
        """
        while (place := when_there(self._connections, self._place)) == "fed":
            time.sleep(LOOK_EVERY_S)
            yield
        if isinstance(place, int):
            yield from self.steps(items, place)

    def steps(self, items: Iterable[Any], at: int = 0) -> Generator[None, None, None]:
        """Write *items* from index *at* on (those before it are skipped), piece by piece; can be run by any thread.

        Yields after each piece but the last, and from time to time while the workers have enough to read or the
        iterator is slow. If it is closed before its end, this producer gives up. If several producers feed one batch
        at once, one continues and the others stop.

        Raises:
            EncodeError: an item cannot be encoded.
            RedisFull: there was no room for ``full_wait_s`` seconds; raised at once for a batch without items, unless
                its producer comes again.
            NoRedis: Redis has not answered for 30 s.
            BatchLost: Redis lost the batch, or more of its items than this producer can write again.
            FewerItems: *items* ended before *at*. Nothing was written.
            Exception: raised by the iterable.
        """
        try:
            while True:
                try:
                    return (yield from self._feed(items, at))
                except Forgotten as gap:
                    if not _can_be_read_again(items):
                        raise BatchLost(self._header.id) from None  # a generator cannot be read twice
                    at = gap.avail
                except EndedBefore as short:
                    raise FewerItems(self._header.label, short.given, at) from None
        except BaseException as exc:
            self.error = None if isinstance(exc, GeneratorExit) else exc
            self._abandon(self._resumable or (self._comes_again and isinstance(exc, (NoRedis, RedisFull, OutOfReach))))
            raise

    def is_over(self) -> bool:
        """Whether the batch takes no more of these items: it was closed (perhaps redriven since), or lost."""
        state, gen = self._connections.redis.hmget(self._connections.keys.meta(self._header.id), ["state", "gen"])
        return state not in UNENDED_IN_REDIS or int(gen) != self._gen

    def _feed(self, items: Iterable[Any], at: int) -> Generator[None, None, None]:
        self._recent.clear()
        self._recent_total = 0
        self._unread.clear()
        self._unread_total = 0
        with self._connections.feed_beats.of(self._header.id):
            for pages, last in Pager(items, at, self._page_bytes, first_items=self._first_items):
                if not pages and not last:
                    yield
                    continue
                self.went_on_at = time.monotonic()
                piece = Piece(at, pages, last)
                at = piece.upto
                if not self._write(piece):
                    return  # closed meanwhile, or fed by another producer
                if last:
                    return
                yield
                yield from self._until_read(piece)

    def _abandon(self, resumable: bool) -> None:
        """Give up feeding: a *resumable* batch now waits for another producer, any other is cancelled."""
        redis, keys, batch_id = self._connections.redis, self._connections.keys, self._header.id
        try:
            if resumable:
                self._connections.ledger.beat(batch_id, [("feed", "-")], lease_ms=1)
                return
            if self.is_over():
                return  # it may be redriven with the items written so far
            is_whole = redis.hget(keys.meta(batch_id), "sealed") == b"1"  # read first: the close seals the batch
            self._connections.ledger.control(batch_id, "cancel")
            if is_whole:
                return  # all its items are written, so it can be redriven
            # Nobody has a handle of the batch to redrive it, and Redis may have failed for want of this very room.
            redis.unlink(*(keys.of(batch_id, part) for part in ("pages", "index", "left", "failed")))
        except REDIS_ERRORS as exc:
            log.warning("a half-fed batch could not be ended", extra={"batch": batch_id, "error": repr(exc)})

    def _write(self, piece: Piece) -> bool:
        """Append a piece, and before it those that Redis has lost; False if this producer is to stop."""
        self._keep(piece)
        todo = deque([piece])
        while todo:
            one = todo[0]
            reply = self._append(one)
            if reply is None:
                raise BatchLost(self._header.id)
            if isinstance(reply, Appended):
                self._connections.crash_points.reached("appended", self._header.id)
                publish_chunks(self._connections, self._header, reply.ids)
                if reply.ended and self._header.reduces:  # all its items had ended before the append that sealed it
                    publish_aggregate(self._connections, self._header, self._slots)
                todo.popleft()
            elif reply.closed:
                return False
            elif reply.avail < one.at:
                todo = deque(kept for kept in self._recent if kept.at >= reply.avail)
                if todo[0].at != reply.avail:
                    raise Forgotten(reply.avail)
            elif reply.avail != one.upto or (reply.sealed and not one.last):
                log.info("another producer feeds this batch", extra={"batch": self._header.id})
                return False
            else:
                # Already written: the reply was lost. If our last piece did not seal it, another producer wrote that.
                todo.popleft()
                if one.last and not reply.sealed:
                    todo.appendleft(Piece(reply.avail, (), True))
        return True

    def _keep(self, piece: Piece) -> None:
        """Keep a piece, and as many of the previous ones as fit in KEPT_BYTES."""
        self._recent.append(piece)
        self._recent_total += piece.size_bytes
        while self._recent_total > KEPT_BYTES and len(self._recent) > 1:
            self._recent_total -= self._recent.popleft().size_bytes

    def _append(self, piece: Piece) -> Appended | Elsewhere | None:
        at, pages, last = piece
        create = self._birth if at == 0 else None
        window = self._window if at == 0 else 0  # caretakers set it later, as workers come and go

        def append() -> Appended | Elsewhere | None:
            return self._connections.ledger.append(
                self._header.id, at, pages, sealed=last, window=window, create=create
            )

        # A batch without items is refused at once: its producer may have a better option than to wait.
        wait_s = self._connections.settings.full_wait_s if at or self._comes_again else 0.0
        unless = self.is_over if at else lambda: False
        return when_room(self._connections, piece.size_bytes, append, wait_s=wait_s, unless=unless)

    def _place(self) -> Place:
        return place_of(self._connections, self._header.id)

    def _until_read(self, piece: Piece) -> Generator[None, None, None]:
        """Yield from time to time until at most ``unread_bytes`` lie in Redis that no worker has begun."""
        if self._unread_bytes is None:
            return
        self._unread.append((piece.upto, piece.size_bytes))
        self._unread_total += piece.size_bytes
        while self._unread_total > self._unread_bytes:
            state, cur = when_there(self._connections, self._reading)
            if cur is None or state not in UNENDED_IN_REDIS:
                return
            while self._unread and self._unread[0][0] <= int(cur):
                self._unread_total -= self._unread.popleft()[1]
            if self._unread_total > self._unread_bytes:
                time.sleep(READERS_LOOK_S)
                self.went_on_at = time.monotonic()
                yield

    def _reading(self) -> list[bytes | None]:
        redis, keys = self._connections.redis, self._connections.keys
        fields: list[bytes | None] = redis.hmget(keys.meta(self._header.id), ["state", "cur"])
        return fields


def _can_be_read_again(items: Iterable[Any]) -> bool:
    return items.can_be_read_again if isinstance(items, Marked) else isinstance(items, Sequence)
