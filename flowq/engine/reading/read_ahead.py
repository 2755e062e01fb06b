"""Reading a batch's outcomes while it runs, so that only the last are left to be read once it is closed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable, Iterator, Sequence

from flowq.batch.results.done import Done
from flowq.engine.connection import Connections
from flowq.engine.reading.commit_line import CommitLine
from flowq.engine.reading.results import State, done_of, read_blobs, read_state_and_fields
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import BatchLost, DecodeError

LOOK_EVERY_S = 1.0
MOST_FIELDS = 64
"""At most this many commits are left to be read together with the counters, once the batch is closed."""


class ReadAhead:
    """What one waiting thread has read of a batch. Commits never change, so none is read twice.

    Args:
        connections: this process's connections.
        batch_id: the batch.
    """

    def __init__(self, connections: Connections, batch_id: str) -> None:
        self._connections, self._batch_id = connections, batch_id
        self._line = CommitLine(connections, batch_id)
        self._read: dict[str, Done] = {}
        self._seen: list[str] = []

    def wait(self, timeout_s: float | None = None) -> bool:
        """Block until the batch is closed, and decode what is committed meanwhile; False on timeout.

        Raises:
            BatchLost: Redis does not hold the batch.
        """
        until = None if timeout_s is None else time.monotonic() + timeout_s
        left_s = LOOK_EVERY_S if timeout_s is None else min(LOOK_EVERY_S, timeout_s)
        while True:
            self._seen += [span.ref.field.decode() for span in self._line.take(max(0.0, left_s))]
            closed = self._line.ended or self._line.closing
            if not closed or len(self._seen) > MOST_FIELDS:
                self._fetch()
            if closed:
                return True
            left_s = LOOK_EVERY_S if until is None else min(LOOK_EVERY_S, until - time.monotonic())
            if left_s <= 0:
                return False

    def commits(self) -> tuple[State, list[str]]:
        """The counters of the batch and the fields of all its commits; also reads the seen commits that remain."""
        state, fields, blobs = read_state_and_fields(self._connections, self._batch_id, self._seen)
        self._keep(blobs)
        return state, fields

    def dones(self, fields: Sequence[str]) -> Iterator[Done]:
        """The commits under these fields, each once, in this order.

        Raises (during iteration):
            BatchLost: one of them no longer exists.
            NoRedis: Redis has not answered for 30 s.
        """
        missing = self._missing([one for one in fields if one not in self._read])
        for field in fields:
            known = self._read.pop(field, None)
            yield next(missing) if known is None else known

    def _missing(self, fields: Sequence[str]) -> Iterator[Done]:
        for blob in read_blobs(self._connections, self._batch_id, fields, patient=True):
            if blob is None:
                raise BatchLost(self._batch_id)
            yield done_of(blob)

    def _fetch(self) -> None:
        """Read the commits that were seen; while Redis is away they are read later."""
        with contextlib.suppress(*REDIS_ERRORS):
            self._keep(read_blobs(self._connections, self._batch_id, self._seen))

    def _keep(self, blobs: Iterable[bytes | None]) -> None:
        for field, blob in zip(self._seen, blobs, strict=True):
            if blob is not None:
                with contextlib.suppress(DecodeError):  # raised again by ``dones``; until then the batch runs on
                    self._read[field] = done_of(blob)
        self._seen.clear()
