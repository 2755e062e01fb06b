"""How long flowq tries again, a producer or a worker, while Redis is away or full; and what comes then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from flowq.engine.connection import Connections
from flowq.engine.redis_client import AWAY_ERRORS, REDIS_ERRORS, is_full
from flowq.errors import ConfigError
from flowq.settings import redacted

log = logging.getLogger("flowq.patience")

AWAY_FOR_S = 30.0
FULL_FOR_S = 300.0
AGAIN_S = 0.25
LOOK_EVERY_S = 0.5
TROUBLE = (ConfigError, *REDIS_ERRORS)
"""What a look at a batch raises while Redis is away or refuses, whether that was put into words or not."""

T = TypeVar("T")


def when_there(connections: Connections, call: Callable[[], T]) -> T:
    """What *call* answers, which is made again while Redis does not answer.

    Raises:
        NoRedis: it has not answered for 30 s, or is known not to come back.
    """
    until = time.monotonic() + AWAY_FOR_S
    said = False
    while True:
        try:
            return call()
        except AWAY_ERRORS as exc:
            if connections.has_ended or time.monotonic() > until:
                raise connections.no_redis(exc) from exc
            if not said:
                log.warning("Redis does not answer; trying again for %g s", AWAY_FOR_S, extra={"error": repr(exc)})
            said = True
            time.sleep(AGAIN_S)


def when_room(
    connections: Connections, size_bytes: int, call: Callable[[], T], *, wait_s: float, unless: Callable[[], bool]
) -> T:
    """What *call* answers: made once Redis has room for *size_bytes*, and again while it refuses for want of room.

    Args:
        connections: the process's own.
        size_bytes: what *call* writes; nothing (0) needs no room.
        call: may be made again after an error.
        wait_s: how long to wait for room.
        unless: asked while there is none; once true, *call* is made all the same: it writes nothing by then.

    Raises:
        RedisFull: there was no room within *wait_s*; nothing was written.
        NoRedis: see ``when_there``.
    """
    headroom = connections.headroom
    until: float | None = None
    while True:
        try:
            if size_bytes == 0 or when_there(connections, lambda: headroom.fits(size_bytes)):
                return when_there(connections, call)
        except ResponseError as exc:
            if not is_full(exc):
                raise
            headroom.forget()
        now = time.monotonic()
        if until is None:
            until = now + wait_s
            log.warning("Redis is full; waiting %g s for room", wait_s, extra={"error": str(headroom.full(size_bytes))})
        if now >= until:
            raise headroom.full(size_bytes)
        if when_there(connections, unless):
            return when_there(connections, call)
        time.sleep(min(LOOK_EVERY_S, until - now))


def when_taken(call: Callable[[], T], *, log_as: Mapping[str, Any]) -> T:
    """What *call* answers: made again while Redis is away or full, so that finished work is not lost for that.

    Args:
        call: a commit; refused whole or not at all. One whose answer was lost is stale the second time.
        log_as: fields of the log lines.

    Raises:
        RedisError, OSError: another error; or this one still, after 30 s of absence or 5 min of want of room.
    """
    since: float | None = None
    while True:
        try:
            reply = call()
        except (ResponseError, *AWAY_ERRORS) as exc:
            full = is_full(exc)
            if isinstance(exc, ResponseError) and not full:
                raise
            if since is None:
                since = time.monotonic()
                why = "is full" if full else "does not answer"
                log.warning("Redis %s; finished items wait until it takes them", why, extra=dict(log_as))
            elif time.monotonic() - since > (FULL_FOR_S if full else AWAY_FOR_S):
                raise
            time.sleep(LOOK_EVERY_S if full else AGAIN_S)
        else:
            if since is not None:
                log.warning("Redis took finished items after %.1f s", time.monotonic() - since, extra=dict(log_as))
            return reply


def trouble(connections: Connections, error: Exception) -> ConfigError:
    """What a Redis error on the producer's side is for the caller: RedisFull, NoRedis, or what it refuses."""
    if is_full(error):
        connections.headroom.forget()
        return connections.headroom.full()
    if isinstance(error, AWAY_ERRORS):
        return connections.no_redis(error)
    url = redacted(connections.settings.url)
    return ConfigError(f"the Redis at {url} refuses: {error}. `flowq doctor` says what to change.")


@contextmanager
def redis_in_words(connections: Connections) -> Iterator[None]:
    """What Redis answers the block with, if that is an error, is raised as one that says what to do.

    Raises:
        NoRedis, RedisFull: it is away, or has no room.
        ConfigError: it refuses something else.
    """
    try:
        yield
    except RedisError as error:
        raise trouble(connections, error) from error
