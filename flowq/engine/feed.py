"""Feeding a batch: pages go to the ledger, the first window is published. Ends when the last item is written."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from flowq.batch.twins import Marked
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ledger import Appended, Elsewhere
from flowq.engine.pages import PAGE_BYTES, Pager, page_bytes
from flowq.engine.patience import when_room, when_there
from flowq.engine.presence import window_of
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.results import read_state
from flowq.errors import BatchLost

log = logging.getLogger("flowq.feed")

UNREAD_BYTES = 48 * 1024 * 1024
KEPT_PAGES = 16  # of the largest size
LOOK_EVERY_S = 0.2  # whether the producer that feeds a batch still lives

Place = int | Literal["whole", "fed"]  # where to feed from; or it has all its items; or another producer feeds it


def place_of(connections: Connections, batch_id: str) -> Place:
    """Where a producer has to feed a batch from, if it has to."""
    try:
        state = read_state(connections, batch_id)
    except BatchLost:
        return 0
    if state.closed or state.sealed:
        return "whole"
    beats_until_ms = connections.redis.zscore(connections.keys.of(batch_id, "wake"), "feed")
    if beats_until_ms is None:
        return state.avail
    # A beat that has lapsed stays there until a caretaker comes by, and there may be no worker yet.
    seconds, micros = connections.redis.time()
    return "fed" if beats_until_ms > seconds * 1000 + micros / 1000 else state.avail


class Forgotten(Exception):
    """Redis stands at *avail*, further back than the pages this producer keeps."""

    def __init__(self, avail: int) -> None:
        super().__init__(avail)
        self.avail = avail


class Feeder:
    """Writes one batch's items.

    Redelivery: every append is compared with the place the ledger stands at, so a repeated one doubles nothing.

    Args:
        connections: the process's own.
        header: what the batch is.
        birth: the ledger's fields of it, see engine/birth.py.
        slots: that it may have.
        resumable: the batch has a key: what ends the feeding early leaves it to a further submit under that key. Any
            other batch is cancelled then: half a batch must not run on, and nobody could feed the rest.
        unread_bytes: while more lies in Redis that nobody has begun, nothing is read (None: it does not wait).
    """

    def __init__(
        self,
        connections: Connections,
        header: Header,
        birth: dict[str, Any],
        slots: int,
        *,
        resumable: bool = False,
        unread_bytes: int | None = UNREAD_BYTES,
    ) -> None:
        self._connections = connections
        self._unread_bytes = unread_bytes
        self._resumable = resumable
        self._header = header
        self._birth = birth
        self._window = window_of(slots)
        self._page_bytes = page_bytes(slots)
        self._recent: deque[tuple[int, int, bytes, bool]] = deque(maxlen=KEPT_PAGES * PAGE_BYTES // self._page_bytes)
        self._unread: deque[tuple[int, int]] = deque()

    def begin(self, at: int) -> None:
        """Create the batch without items, for a producer whose items are still to come.

        Raises:
            RedisFull: there is no room for items; nothing was created.
        """
        if at == 0:
            self._connections.headroom.require()
            self._append(0, 0, b"", False)

    def relieve(self, items: Iterable[Any]) -> None:
        """Feed *items* from where another producer stops, should it stop before its last one.

        Raises:
            EncodeError, RedisFull, NoRedis, BatchLost: as ``feed``.
        """
        while (place := when_there(self._connections, self._place)) == "fed":
            time.sleep(LOOK_EVERY_S)
        if isinstance(place, int):
            self.feed(items, place)

    def feed(self, items: Iterable[Any], at: int = 0) -> int:
        """Write *items* (from place *at* on; those before it are skipped) and answer their number.

        Of several producers that feed one batch at once, one goes on and the others leave it to that one.

        Raises:
            EncodeError: an item cannot travel.
            RedisFull: no room came free in ``full_wait_s`` seconds; at once for a batch that has no items yet.
            NoRedis: Redis stayed away for 30 s.
            BatchLost: Redis lost the batch, or more of it than can be written again.
            Exception: what the iterable raised.
        """
        try:
            while True:
                try:
                    return self._feed(items, at)
                except Forgotten as gap:
                    if not _can_be_read_again(items):
                        raise BatchLost(self._header.id) from None  # a generator cannot be read twice
                    at = gap.avail
        except BaseException:
            self._abandon()
            raise

    def _feed(self, items: Iterable[Any], at: int) -> int:
        stop = threading.Event()
        beating: threading.Thread | None = None
        self._recent.clear()
        self._unread.clear()
        try:
            for n, page, last in Pager(items, at, self._page_bytes):
                if not last and beating is None:
                    beating = threading.Thread(target=self._beat, args=(stop,), name="flowq-feed", daemon=True)
                    beating.start()
                if not self._write(at, n, page, last):
                    return at + n  # cancelled meanwhile, failed past its budget, or fed by another
                at += n
                self._wait_for_readers(at, len(page))
            return at
        finally:
            stop.set()
            if beating is not None:
                beating.join()

    def _abandon(self) -> None:
        """Nobody writes the rest: a batch with a key waits from now on for somebody who does, another is cancelled."""
        redis, keys, batch_id = self._connections.redis, self._connections.keys, self._header.id
        try:
            if self._resumable:
                self._connections.ledger.beat(batch_id, [("feed", "-")], lease_ms=1)
                return
            self._connections.ledger.control(batch_id, "cancel")
            # Nobody was given the batch to redrive it, and Redis may have failed for want of this very room.
            redis.unlink(*(keys.of(batch_id, part) for part in ("pages", "index", "left", "failed")))
        except REDIS_ERRORS as exc:
            log.warning("a half-fed batch could not be ended", extra={"batch": batch_id, "error": repr(exc)})

    def _write(self, at: int, n: int, page: bytes, last: bool) -> bool:
        """Append one page, and again whatever Redis has forgotten; False if this producer's pages are not wanted."""
        self._recent.append((at, n, page, last))
        todo = deque([(at, n, page, last)])
        while todo:
            first, count, _, seals = todo[0]
            reply = self._append(*todo[0])
            if reply is None:
                raise BatchLost(self._header.id)
            if isinstance(reply, Appended):
                self._connections.crash_points.reached("appended", self._header.id)
                publish_chunks(self._connections, self._header, reply.ids)
                todo.popleft()
            elif reply.closed:
                return False
            elif reply.avail < first:
                todo = deque(kept for kept in self._recent if kept[0] >= reply.avail)
                if todo[0][0] != reply.avail:
                    raise Forgotten(reply.avail)
            elif reply.avail != first + count or (reply.sealed and not seals):
                log.info("another producer feeds this batch", extra={"batch": self._header.id})
                return False
            else:
                # Written already: the answer was lost. By another producer, if what we sealed is not.
                todo.popleft()
                if seals and not reply.sealed:
                    todo.appendleft((reply.avail, 0, b"", True))
        return True

    def _append(self, at: int, n: int, page: bytes, last: bool) -> Appended | Elsewhere | None:
        create = self._birth if at == 0 else None

        def append() -> Appended | Elsewhere | None:
            return self._connections.ledger.append(
                self._header.id, at, n, page, sealed=last, window=self._window, create=create
            )

        # A batch that has no items yet is refused at once: its producer can do something better than wait.
        wait_s = self._connections.settings.full_wait_s if at else 0.0
        return when_room(self._connections, len(page), append, wait_s=wait_s, unless=self._is_over)

    def _place(self) -> Place:
        return place_of(self._connections, self._header.id)

    def _is_over(self) -> bool:
        """Whether the batch takes no more items: closed, or lost."""
        state = self._connections.redis.hget(self._connections.keys.meta(self._header.id), "state")
        return state not in (b"running", b"paused")

    def _wait_for_readers(self, at: int, size: int) -> None:
        """Stop reading while too much lies in Redis unread."""
        if self._unread_bytes is None:
            return
        self._unread.append((at, size))
        while sum(size for _, size in self._unread) > self._unread_bytes:
            state, cur = when_there(self._connections, self._reading)
            if cur is None or state not in (b"running", b"paused"):
                return
            while self._unread and self._unread[0][0] <= int(cur):
                self._unread.popleft()
            if sum(size for _, size in self._unread) > self._unread_bytes:
                time.sleep(0.02)

    def _reading(self) -> list[bytes | None]:
        redis, keys = self._connections.redis, self._connections.keys
        fields: list[bytes | None] = redis.hmget(keys.meta(self._header.id), ["state", "cur"])
        return fields

    def _beat(self, stop: threading.Event) -> None:
        """Say that the producer lives, until it has written its last item."""
        every_s = self._connections.times.feed_ms / 4000
        while not stop.wait(every_s):
            try:
                self._connections.ledger.beat(self._header.id, [("feed", "-")], self._connections.times.feed_ms)
            except REDIS_ERRORS as exc:
                log.warning("the producer's beat failed", extra={"error": repr(exc)})


def _can_be_read_again(items: Iterable[Any]) -> bool:
    return items.can_be_read_again if isinstance(items, Marked) else isinstance(items, Sequence)
