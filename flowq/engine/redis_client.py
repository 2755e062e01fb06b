"""The Redis client as the engine uses it: how it is made from a broker URL, and which errors it raises."""

from __future__ import annotations

from typing import Any, TypeAlias

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, OutOfMemoryError, RedisError, TimeoutError
from redis.retry import Retry

from flowq.settings import with_tls

ANSWERS_WITHIN_S = 5.0  # else the connection is taken for lost
HEALTH_CHECK_S = 25
REDIS_ERRORS = (RedisError, OSError)
# Redis is away, or comes back: the same call may do better later. (Its other errors are answers.)
AWAY_ERRORS = (ConnectionError, TimeoutError, OSError)

# redis-py types every reply as bytes or str, whatever the client decodes; flowq's clients decode nothing.
RedisClient: TypeAlias = Any


def make_client(broker_url: str, *, answer_within_s: float | None = None) -> RedisClient:
    """A client for a Celery broker URL; connects at its first command.

    Args:
        broker_url: redis://, rediss:// or redis+socket://.
        answer_within_s: how long an answer may take, with no second try (None: 5 s, tried again as redis-py does).

    Raises:
        ValueError: it is no URL of a Redis.
    """
    url = redis_url(broker_url)
    within_s = ANSWERS_WITHIN_S if answer_within_s is None else answer_within_s
    options: dict[str, Any] = {"socket_connect_timeout": within_s, "socket_timeout": within_s}
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    if answer_within_s is not None:
        options["retry"] = Retry(NoBackoff(), 0)
    return Redis.from_url(url, health_check_interval=HEALTH_CHECK_S, **options)


def is_full(error: BaseException) -> bool:
    """Whether *error* says that Redis has reached its maxmemory: a command, or a script's first write, was refused."""
    # A script's error is no OutOfMemoryError, and Redis 6.2 wraps it in words of its own.
    return isinstance(error, OutOfMemoryError) or "not allowed when used memory > 'maxmemory'" in str(error)


def redis_url(url: str) -> str:
    """A Celery broker URL as redis-py spells it (redis+socket:///path?virtual_host=1 → unix:///path?db=1).

    Raises:
        ValueError: it asks for a TLS that there is not.
    """
    for scheme in ("redis+socket://", "socket://"):
        if url.startswith(scheme):
            return "unix://" + url[len(scheme) :].replace("virtual_host=", "db=")
    return with_tls(url)
