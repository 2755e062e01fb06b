"""Saying that a producer lives, and whether one does. One thread for all batches that its process feeds now."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from flowq.engine.ledger import Ledger
from flowq.engine.redis_client import REDIS_ERRORS

log = logging.getLogger("flowq.feed")

BEATS = 4
"""Beats in the time after which a producer that does not beat is taken for dead."""


def is_fed(beats_until_ms: float | None, redis_time: tuple[int, int]) -> bool:
    """Whether a batch's producer lives: by the beat that stands in its ``wake``, and seconds and microseconds of Redis.

    A beat that has lapsed stays there until a caretaker comes by, and there may be no worker yet.
    """
    seconds, micros = redis_time
    return beats_until_ms is not None and beats_until_ms > seconds * 1000 + micros / 1000


class FeedBeats:
    """Beats for batches while they are fed. A thread of its own for each would cost short batches more than feeding."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._fed: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    @contextmanager
    def of(self, batch_id: str) -> Iterator[None]:
        """Beat for a batch until the block ends; no beat is under way any more after that."""
        with self._lock:
            self._fed[batch_id] += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="flowq-feed", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._fed[batch_id] -= 1
                if not self._fed[batch_id]:
                    del self._fed[batch_id]

    def _run(self) -> None:
        """Beat at every turn; the thread ends with one at which nothing is fed."""
        feed_ms = self._ledger.times.feed_ms
        while True:
            time.sleep(feed_ms / 1000 / BEATS)
            with self._lock:
                if not self._fed:
                    self._thread = None
                    return
                fed = list(self._fed)
            for batch_id in fed:
                with self._lock:
                    if batch_id in self._fed:
                        self._beat(batch_id, feed_ms)

    def _beat(self, batch_id: str, feed_ms: int) -> None:
        try:
            self._ledger.beat(batch_id, [("feed", "-")], feed_ms)
        except REDIS_ERRORS as exc:
            log.warning("the producer's beat failed", extra={"batch": batch_id, "error": repr(exc)})
