"""Waiting for batches to close: announced by PUBLISH, and the state is read as well, so that no message is required."""

from __future__ import annotations

import os
import time
from typing import Any

from flowq.engine.connection import Connections
from flowq.engine.reading.commit_line import generation_of_close
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.errors import BatchLost

RECHECK_S = 5.0
UNSEEN = 2**62  # the running generation is unknown: a message may be about the close of an earlier one
AWAY_S = 0.2  # how long to wait before asking again when Redis does not answer


class Closings:
    """The waits of one process. Subscriptions are reused, one connection per waiting thread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._idle: list[Any] = []
        self._pid = os.getpid()

    def wait(self, batch_id: str, timeout_s: float | None = None, *, finished: bool = False) -> bool:
        """Block until the batch is closed (*finished*: until its aggregation is confirmed); False on timeout.

        The state is read after subscribing and again every 5 s.

        Raises:
            BatchLost: Redis does not hold the batch.
        """
        keys = self._connections.keys
        channel = keys.finished_channel(batch_id) if finished else keys.closed_channel(batch_id)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        pubsub = self._subscribe(channel)
        try:
            # Subscribe first, then read the state: a close between the two is seen in one of them.
            while (gen := self._running(batch_id, finished)) is not None:
                left = RECHECK_S if until is None else min(RECHECK_S, until - time.monotonic())
                if left <= 0:
                    return False
                if pubsub is None:
                    time.sleep(min(AWAY_S, left))
                    pubsub = self._subscribe(channel)
                    continue
                told = self._told(pubsub, channel, left)
                if told is None:
                    pubsub = None
                elif told and not finished and generation_of_close(told) >= gen:
                    break  # the close is not that of an earlier generation
            return True
        finally:
            self._release(pubsub, channel)

    def _running(self, batch_id: str, finished: bool) -> int | None:
        """The generation that is not closed (*finished*: not confirmed) yet, UNSEEN if Redis is away; None if it is."""
        try:
            names = ["state", "gen", "confirmed"]
            state, gen, confirmed = self._connections.redis.hmget(self._connections.keys.meta(batch_id), names)
        except REDIS_ERRORS:
            return UNSEEN
        if state is None:
            raise BatchLost(batch_id)
        over = state not in UNENDED_IN_REDIS and (not finished or int(confirmed) >= int(gen))
        return None if over else int(gen)

    def _subscribe(self, channel: str) -> Any:
        """A subscription, or None while Redis is away."""
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()  # after a fork: these are the parent's connections
        try:
            pubsub = self._idle.pop() if self._idle else self._connections.redis.pubsub()
            # Read the messages that arrived after its last wait: unread, they would pile up in Redis' memory.
            while pubsub.get_message() is not None:
                pass
            pubsub.subscribe(channel)
        except REDIS_ERRORS:
            return None
        return pubsub

    def _told(self, pubsub: Any, channel: str, timeout_s: float) -> bytes | None:
        """The next message on *channel*, b"" if none arrived; None if the subscription broke."""
        until = time.monotonic() + timeout_s
        try:
            while (left := until - time.monotonic()) > 0:
                message = pubsub.get_message(timeout=left)
                if message is not None and message["type"] == "message" and message["channel"] == channel.encode():
                    return bytes(message["data"])
        except REDIS_ERRORS:
            pubsub.close()
            return None
        return b""

    def _release(self, pubsub: Any, channel: str) -> None:
        if pubsub is None:
            return
        try:
            pubsub.unsubscribe(channel)
            self._idle.append(pubsub)
        except REDIS_ERRORS:
            pubsub.close()
