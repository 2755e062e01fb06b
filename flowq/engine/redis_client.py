"""The Redis client as the engine uses it: how it is made from a broker URL, and which errors it raises."""

from __future__ import annotations

from typing import Any, TypeAlias

from redis import Redis
from redis.exceptions import RedisError

CONNECT_TIMEOUT_S = 5.0
HEALTH_CHECK_S = 25
REDIS_ERRORS = (RedisError, OSError)

# redis-py types every reply as bytes or str, whatever the client decodes; flowq's clients decode nothing.
RedisClient: TypeAlias = Any


def make_client(broker_url: str) -> RedisClient:
    """A client for a Celery broker URL; connects at its first command."""
    url = redis_url(broker_url)
    options: dict[str, Any] = {} if url.startswith("unix://") else {"socket_keepalive": True}
    return Redis.from_url(
        url, socket_connect_timeout=CONNECT_TIMEOUT_S, health_check_interval=HEALTH_CHECK_S, **options
    )


def redis_url(url: str) -> str:
    """A Celery broker URL as redis-py spells it (redis+socket:///path?virtual_host=1 → unix:///path?db=1)."""
    for scheme in ("redis+socket://", "socket://"):
        if url.startswith(scheme):
            return "unix://" + url[len(scheme) :].replace("virtual_host=", "db=")
    return url
