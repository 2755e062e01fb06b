"""Retrying while Redis is away or full: how long producers and workers try, and which error they raise then."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from redis.exceptions import RedisError, ResponseError

from flowq.engine.connection import Connections
from flowq.engine.redis_client import AWAY_ERRORS, REDIS_ERRORS, is_full, write_refusal
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
    """Call *call* and return its result; retry while Redis does not answer.

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
    """Call *call* once Redis has room for *size_bytes* and return its result; retry while Redis is full.

    Args:
        connections: this process's connections.
        size_bytes: what *call* writes; 0 needs no room.
        call: may be called again after an error.
        wait_s: how long to wait for room.
        unless: asked while there is no room; once it is true, *call* is called anyway: it then writes nothing.

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
    """Call *call* and return its result; retry while Redis is away, full or takes no writes, so that finished work is
    not lost.

    Args:
        call: a commit, which Redis accepts or refuses as a whole. If its reply was lost, the second call is stale.
        log_as: fields of the log lines.

    Raises:
        RedisError, OSError: another error; or this one, after 30 s without an answer or 5 min of refusals.
    """
    since: float | None = None
    while True:
        try:
            reply = call()
        except (ResponseError, *AWAY_ERRORS) as exc:
            refused = write_refusal(exc)
            if isinstance(exc, ResponseError) and not refused:
                raise
            if since is None:
                since = time.monotonic()
                why = refused or "does not answer"
                log.warning("Redis %s; finished items wait until it takes them", why, extra=dict(log_as))
            elif time.monotonic() - since > (FULL_FOR_S if refused else AWAY_FOR_S):
                raise
            time.sleep(LOOK_EVERY_S if refused else AGAIN_S)
        else:
            if since is not None:
                log.warning("Redis took finished items after %.1f s", time.monotonic() - since, extra=dict(log_as))
            return reply


def trouble(connections: Connections, error: Exception) -> ConfigError:
    """The flowq error for a Redis error on the producer's side: RedisFull, NoRedis, or ConfigError for a refusal."""
    if is_full(error):
        connections.headroom.forget()
        return connections.headroom.full()
    if isinstance(error, AWAY_ERRORS):
        return connections.no_redis(error)
    url = redacted(connections.settings.url)
    return ConfigError(f"the Redis at {url} refuses: {error}. `flowq doctor` says what to change.")


@contextmanager
def redis_in_words(connections: Connections) -> Iterator[None]:
    """Raise a Redis error of the block as a flowq error that says what to do.

    Raises:
        NoRedis, RedisFull: Redis is away, or has no room.
        ConfigError: Redis refused a command for another reason.
    """
    try:
        yield
    except RedisError as error:
        raise trouble(connections, error) from error
