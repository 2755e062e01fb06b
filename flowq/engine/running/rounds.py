"""Whose round it is: a batch does not have a slot for long twice in a row while other batches wait for it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from flowq.engine.connection import Connections
from flowq.engine.running.turn import is_alone

LONG_S = 1.0  # a shorter task is not worth the message that puts the next one back


class Rounds:
    """What this process ran last. A batch has several messages in the queue, one behind the other."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._had_long: str | None = None
        self._passed: set[str] = set()

    @contextmanager
    def turn(self, batch_id: str) -> Iterator[None]:
        """Around a task of the batch."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._had_long = batch_id if time.monotonic() - began > LONG_S else None
            self._passed.clear()

    def lets_pass(self, batch_id: str, chunk_id: str) -> bool:
        """Whether to put the message of this chunk behind those of others, since its batch has just had this slot for
        long. Not if it comes a second time: then there is nothing else.
        """
        if batch_id != self._had_long or chunk_id in self._passed or is_alone(self._connections):
            return False
        self._passed.add(chunk_id)
        return True
