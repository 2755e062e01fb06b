"""The beats of producers: sent while they feed batches, and checked by others. One thread beats for a whole process."""

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
"""Beats within the time after which a silent producer counts as dead."""


def is_fed(beats_until_ms: float | None, redis_time: tuple[int, int]) -> bool:
    """Whether a batch's producer is alive, by its beat in ``wake`` and by Redis' time in seconds and microseconds.

    An expired beat stays in ``wake`` until a caretaker removes it, and there may be no worker yet.
    """
    seconds, micros = redis_time
    return beats_until_ms is not None and beats_until_ms > seconds * 1000 + micros / 1000


class FeedBeats:
    """Beats for batches while they are fed, from one thread: a thread per batch would slow down short batches."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._lock = threading.Lock()
        self._fed: Counter[str] = Counter()
        self._thread: threading.Thread | None = None

    @contextmanager
    def of(self, batch_id: str) -> Iterator[None]:
        """Beat for a batch until the block ends; when it has ended, no beat of it is in progress."""
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
        """Beat for all fed batches in each turn; the thread ends when nothing is fed."""
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
