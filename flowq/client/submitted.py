"""A submitted batch or run in the ledger: its counters, waiting for its end, and acts such as cancel. Never reads
outcomes itself.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

from flowq.client import left_alone
from flowq.client.feeding import Feeding
from flowq.client.left_alone import LeftAlone
from flowq.core.given import seconds_of
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ledger import Control
from flowq.engine.patience import redis_in_words, when_there
from flowq.engine.reading.closings import Closings
from flowq.engine.reading.read_ahead import ReadAhead
from flowq.engine.reading.results import State, read_state
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import BatchLost

FEEDING_LOOK_S = 0.5
DEADLINE_LOOK_S = 0.2

T = TypeVar("T")


@contextmanager
def lost_as(kind: str, batch_id: str) -> Iterator[None]:
    """Set the kind ("batch" or "run") in a BatchLost that the block raises about *batch_id*."""
    try:
        yield
    except BatchLost as lost:
        if lost.batch_id == batch_id:
            lost.kind = kind
        raise


class Submitted:
    """One batch or run.

    Args:
        connections: this process's connections.
        closings: this process's waits.
        header: its header.
        expires: whether it has a deadline. Workers enforce it; without workers, a waiting client does.
    """

    def __init__(self, connections: Connections, closings: Closings, header: Header, *, expires: bool = False) -> None:
        self._connections, self._closings, self._header = connections, closings, header
        self._expires = expires
        self._left_alone = LeftAlone(connections, header.id)

    @property
    def id(self) -> str:
        """Its id."""
        return self._header.id

    def named(self) -> AbstractContextManager[None]:
        """Set the kind (batch or run) in a BatchLost that the block raises about it."""
        return lost_as("run" if self._header.keeps else "batch", self.id)

    @contextmanager
    def in_words(self) -> Iterator[None]:
        """As ``named``; and convert Redis errors of the block into ones that say what to do.

        Raises:
            ConfigError: see ``redis_in_words``.
        """
        with self.named(), redis_in_words(self._connections):
            yield

    def told(self, found: Iterator[T]) -> Iterator[T]:
        """Iterate *found*, with Redis' errors on the way turned into flowq's, see ``in_words``."""
        with self.in_words():
            yield from found

    def state(self) -> State:
        """Its counters. Raises BatchLost if Redis no longer holds it, and redis-py's own errors, for ``when_there``."""
        with self.named():
            return read_state(self._connections, self.id)

    def ask(self, act: Control, *, feeds: bool = False) -> str:
        """Perform *act* in the ledger and publish the chunks it opened; returns the ledger's answer.

        Raises:
            BatchLost: Redis no longer holds it. A "cancel" then does nothing.
            ConfigError: see ``redis_in_words``; as far as is known, nothing was changed.
        """
        with self.in_words():
            done, _, chunk_ids = self._connections.ledger.control(self.id, act, feeds=feeds)
            if done == "lost" and act != "cancel":
                raise BatchLost(self.id)
        self._connections.crash_points.reached("controlled", self.id)
        publish_chunks(self._connections, self._header, chunk_ids)
        return done

    def wait(
        self, timeout: float | None = None, *, feeding: Feeding | None = None, ahead: ReadAhead | None = None
    ) -> bool:
        """Block until it has ended, at most *timeout* seconds; returns whether it has.

        Args:
            timeout: in seconds; None: no limit.
            feeding: writes its items in this process, if anything does.
            ahead: reads what is committed meanwhile.

        Raises:
            TypeError, ValueError: *timeout* is not a number of seconds.
            BatchLost: Redis no longer holds it.
            Exception: what ended the feeding.
        """
        timeout = seconds_of(timeout)
        wait = functools.partial(self._closings.wait, self.id) if ahead is None else ahead.wait
        until = None if timeout is None else time.monotonic() + timeout
        ended = False  # not kept for the next call: the batch may be redriven meanwhile, by any process
        while not ended:
            under_way = feeding is not None and feeding.under_way
            if feeding is not None:
                # The error that ends its feeding does not close a batch with a key: check for it.
                feeding.check(wait=False)
            try:
                with self.named():
                    ended = wait(self._slice_s(until, under_way=under_way))
            except KeyboardInterrupt as stop:
                raise stop.with_traceback(None) from None  # where in a socket it came says nothing to a user
            if not ended:
                self._left_alone.look(is_fed_here=under_way)
                self._expire()
            if until is not None and time.monotonic() >= until:
                break
        if feeding is not None:
            feeding.check(wait=ended)
        return ended

    def _slice_s(self, until: float | None, *, under_way: bool) -> float:
        """How long to wait before the next look."""
        looks = [left_alone.LOOK_EVERY_S]
        looks += [FEEDING_LOOK_S] if under_way else []
        looks += [DEADLINE_LOOK_S] if self._expires else []
        looks += [] if until is None else [max(0.0, until - time.monotonic())]
        return min(looks)

    def _expire(self) -> None:
        if self._expires:
            with contextlib.suppress(*REDIS_ERRORS):  # while Redis is away the wait goes on
                self._connections.ledger.control(self.id, "expire")

    def closed(
        self, timeout: float | None, *, feeding: Feeding | None, ahead: ReadAhead
    ) -> tuple[State, list[str], ReadAhead] | None:
        """Block until it has ended; returns its counters, the fields of its commits, and the reader of some of these.

        Args:
            timeout, feeding: as for ``wait``.
            ahead: has read some commits so far.

        Returns:
            None if it has not ended within *timeout* seconds.
        """
        timeout = seconds_of(timeout)
        state, fields = None, list[str]()
        with contextlib.suppress(*REDIS_ERRORS):  # while Redis is away the wait goes on
            state, fields = ahead.commits()
        until = None if timeout is None else time.monotonic() + timeout
        has_waited = feeding is None
        while state is None or not state.closed or not has_waited:
            left_s = None if until is None else max(0.0, until - time.monotonic())
            if not self.wait(left_s, feeding=feeding, ahead=ahead):
                return None
            state, fields = when_there(self._connections, ahead.commits)  # other connections may still be broken
            has_waited = True
            if not state.closed:  # redriven right after its end: *ahead* has read the previous generation only
                ahead = ReadAhead(self._connections, self.id)
        return state, fields, ahead

    def aggregated(self, timeout: float | None) -> bool:
        """Block until its aggregation is confirmed, at most *timeout* seconds; returns whether it is."""
        return self._closings.wait(self.id, seconds_of(timeout), finished=True)
