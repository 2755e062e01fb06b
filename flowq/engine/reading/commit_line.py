"""Following a batch's commits in the order they were made, from any process. Blocks in Redis, never polls."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from flowq.batch.results.done import Done
from flowq.batch.results.in_item_order import Span
from flowq.engine.connection import Connections
from flowq.engine.ids import generation, record, span
from flowq.engine.reading.results import done_of
from flowq.engine.redis_client import AWAY_ERRORS
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.errors import BatchLost

ENTRIES = 500
AWAY_S = 0.2


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit: its entry in the line, and its field of ``out``."""

    place: bytes
    field: bytes


class CommitLine:
    """One reader of a batch's line of commits, beginning at the line's first entry. Readers are independent.

    Attributes:
        gen: the batch's generation, as last seen.
        closing: whether the last entry read is the close of that generation.
        ended: whether the batch has ended and every commit was returned. (A redrive resets it.)
    """

    def __init__(self, connections: Connections, batch_id: str) -> None:
        self._connections, self._batch_id = connections, batch_id
        self._line = connections.keys.of(batch_id, "line")
        self._last = b"0-0"
        self._begun = self.closing = False
        self.gen = 0
        self.ended = False

    def take(self, wait_s: float) -> list[Span]:
        """The next commits, whose ``ref`` is a Commit; empty if there was none for *wait_s* seconds.

        Raises:
            BatchLost: Redis does not hold the batch.
        """
        try:
            if not self._begun:
                self._look()
                self._begun, self.ended = True, False
            spans = self._read(None if self.closing else max(1, int(wait_s * 1000)))
            if not spans:
                self._look()
            return spans
        except AWAY_ERRORS:
            time.sleep(AWAY_S)
            return []

    def _read(self, block_ms: int | None) -> list[Span]:
        reply = self._connections.redis.xread({self._line: self._last}, count=ENTRIES, block=block_ms)
        spans: list[Span] = []
        for place, fields in reply[0][1] if reply else ():
            self._last = place
            self.closing = generation_of_close(fields.get(b"closed", b"")) >= self.gen
            if b"out" in fields:
                spans.append(span_of_field(fields[b"out"], Commit(place, fields[b"out"])))
        self.gen = max([self.gen, *(one.gen for one in spans)])
        return spans

    def _look(self) -> None:
        """Read the batch's state. It has ended if it was seen closed before and the line has had no entry since."""
        names = ["state", "gen"]
        state, gen = self._connections.redis.hmget(self._connections.keys.meta(self._batch_id), names)
        if state is None:
            raise BatchLost(self._batch_id)
        self.gen = int(gen)
        closed = state not in UNENDED_IN_REDIS
        self.ended = closed and self.closing
        self.closing = closed


def generation_of_close(told: bytes) -> int:
    """The generation in the ledger's message about a close, ``state gen``; -1 if it is not such a message."""
    gen = told.rpartition(b" ")[2]
    return int(gen) if gen.isdigit() else -1


def span_of_field(field: bytes, ref: Any) -> Span:
    """The span of items that the commit under a field of ``out`` covers."""
    name = field.decode()
    return Span(*span(name), generation(name), record(name), ref)


def read_commits(connections: Connections, batch_id: str, spans: Sequence[Span]) -> list[Callable[[], Done]]:
    """The outcomes of some commits, each decoded where it is asked for: values take many times their bytes.

    Raises:
        BatchLost: one of them no longer exists.
    """
    fields = [one.ref.field for one in spans]
    blobs = connections.redis.hmget(connections.keys.of(batch_id, "out"), fields) if fields else []
    if None in blobs:
        raise BatchLost(batch_id)
    return [partial(done_of, blob) for blob in blobs]
