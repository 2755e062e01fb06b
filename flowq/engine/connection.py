"""Connections of one process to Redis: a client for the ledger, a Celery app and a producer for messages.

Fork-safe: a child process abandons what its parent opened, neither using nor closing it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from celery import Celery
from kombu.messaging import Producer

from flowq.codec import keyring, register_kombu
from flowq.engine.app import build_app
from flowq.engine.channel import with_one_client
from flowq.engine.crash_points import CrashPoints
from flowq.engine.feed_beats import FeedBeats
from flowq.engine.headroom import Headroom
from flowq.engine.keys import Keys
from flowq.engine.ledger import Ledger, Times
from flowq.engine.redis_client import REDIS_ERRORS, RedisClient, make_client
from flowq.errors import NoRedis
from flowq.settings import Settings, redacted

NOTICED_WITHIN_MS = 250


class Connections:
    """The connections that one process needs to talk to a fleet; each is opened at first use.

    Args:
        settings: the Redis URL, the key prefix and the rest.
        app: the Celery app to send with; built from the settings if None.
    """

    def __init__(self, settings: Settings, app: Celery | None = None) -> None:
        register_kombu()
        keyring.use(settings.secret_keys)
        self.settings = settings
        self.app = app or build_app(settings)
        self.keys = Keys(settings.prefix)
        self.crash_points = CrashPoints(settings.crash_points)
        wait_ms = int(settings.lease_s * 1000)
        # Lost work is to be resumed within settings.lease_s. Noticing the loss takes a part of that.
        lease_ms = wait_ms - NOTICED_WITHIN_MS if wait_ms >= 8 * NOTICED_WITHIN_MS else wait_ms
        self.times = Times(lease_ms=lease_ms, wait_ms=wait_ms, feed_ms=max(wait_ms, 10_000))
        self._pid = -1
        self._end = ("", "")
        self._lock = threading.RLock()
        self._redis: RedisClient | None = None
        self._ledger: Ledger | None = None
        self._headroom: Headroom | None = None
        self._feed_beats: FeedBeats | None = None
        self._kombu: Any = None
        self._producer: Producer | None = None

    def _check_pid(self) -> None:
        if self._pid != os.getpid():
            self._lock = threading.RLock()
            self._redis = self._ledger = self._headroom = self._kombu = self._producer = self._feed_beats = None
            # Last: no other thread may take the parent's objects for this process's own meanwhile.
            self._pid = os.getpid()

    @property
    def redis(self) -> RedisClient:
        self._check_pid()
        if self._redis is None:
            self._require_redis()
            self._redis = make_client(self.settings.url)
        return self._redis

    @property
    def ledger(self) -> Ledger:
        self._check_pid()
        if self._ledger is None:
            self._ledger = Ledger(self.redis, self.keys, self.times)
        return self._ledger

    @property
    def headroom(self) -> Headroom:
        """Whether Redis has room; one per process, so that many small batches do not each ask Redis."""
        self._check_pid()
        if self._headroom is None:
            self._headroom = Headroom(self.redis)
        return self._headroom

    @property
    def feed_beats(self) -> FeedBeats:
        """The beats for the batches that this process feeds."""
        self._check_pid()
        if self._feed_beats is None:
            self._feed_beats = FeedBeats(self.ledger)
        return self._feed_beats

    @contextmanager
    def producer(self) -> Iterator[Producer]:
        """The process's one kombu producer, for one thread at a time."""
        self._check_pid()
        with self._lock:
            if self._producer is None:
                self._require_redis()
                # kombu would try for six seconds to connect, at every publish, and with this lock held: slots would
                # stand so long for a message that a caretaker sends again.
                sending = self.app.connection_for_write(transport_options={"max_retries": 0})
                self._kombu = with_one_client(sending)
                self._producer = Producer(self._kombu, auto_declare=False)
            try:
                yield self._producer
            except Exception:
                # A broken channel is not used again; the next caller opens a new one.
                self.drop_producer()
                raise

    def drop_producer(self) -> None:
        """Close the producer's connection; the next use opens another."""
        connection, self._kombu, self._producer = self._kombu, None, None
        if connection is not None:
            connection.release()

    def check(self) -> None:
        """Raise NoRedis if Redis does not answer."""
        try:
            self.redis.ping()
        except REDIS_ERRORS as exc:
            raise self.no_redis(exc) from exc

    def no_redis(self, error: Exception) -> NoRedis:
        """What a caller is told where Redis does not answer, but with *error*."""
        reason, way_out = self._end
        return NoRedis(redacted(self.settings.url), reason or str(error) or type(error).__name__, way_out)

    @property
    def has_ended(self) -> bool:
        """Whether this Redis is known never to come back."""
        return self._end != ("", "")

    def end(self, reason: str, way_out: str) -> None:
        """This Redis is gone for good: close what was opened, and whoever needs it yet gets a NoRedis, at once."""
        self._end = (reason, way_out)
        self.close()

    def _require_redis(self) -> None:
        if self.has_ended:
            raise NoRedis(redacted(self.settings.url), *self._end)

    def close(self) -> None:
        """Close what this process opened."""
        if self._pid != os.getpid():
            return
        with self._lock:
            self.drop_producer()
            if self._redis is not None:
                self._redis.close()
            self._redis = self._ledger = self._headroom = self._feed_beats = None
