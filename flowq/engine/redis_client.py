"""The engine's Redis client: how it is made from a broker URL, and which errors it raises."""

from __future__ import annotations

import os
from typing import Any, TypeAlias

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    ConnectionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from flowq.settings import with_tls

ANSWERS_WITHIN_S = 5.0  # after this time without an answer, the connection counts as lost
HEALTH_CHECK_S = 25
REDIS_ERRORS = (RedisError, OSError)
# Redis is away or restarting: the same call may succeed later. (Its other errors are answers.)
AWAY_ERRORS = (ConnectionError, TimeoutError, OSError)

# redis-py types every reply as bytes or str, whatever the client decodes; flowq's clients decode nothing.
RedisClient: TypeAlias = Any


def make_client(broker_url: str, *, answer_within_s: float | None = None) -> RedisClient:
    """A client for a Celery broker URL; connects at its first command.

    Args:
        broker_url: redis://, rediss:// or redis+socket://.
        answer_within_s: how long an answer may take, without a retry (None: 5 s, with redis-py's retries).

    Raises:
        ValueError: it is not the URL of a Redis.
    """
    url = redis_url(broker_url)
    within_s = ANSWERS_WITHIN_S if answer_within_s is None else answer_within_s
    options: dict[str, Any] = {"socket_connect_timeout": within_s, "socket_timeout": within_s}
    if not url.startswith("unix://"):
        options["socket_keepalive"] = True
    if answer_within_s is not None:
        options["retry"] = Retry(NoBackoff(), 0)
    client: RedisClient = PlainClient.from_url(url, health_check_interval=HEALTH_CHECK_S, **options)
    return client


class PlainClient(Redis):
    """redis-py's client without its telemetry around each command.

    redis-py records for telemetry that a connection is taken, how long its command took, and that it is released. Where
    other work runs between two commands, as items do, that is a third of the CPU time of a command.

    Fork-safe, as redis-py's client: a child abandons the parent's connections.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle: list[Any] = []  # the pool's connections that are kept here between commands
        self._pid = os.getpid()

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command and wait for its reply, with redis-py's retries."""
        connection = self._taken()
        try:
            answer = connection.retry.call_with_retry(
                lambda: self._answer(connection, args, options), lambda _: connection.disconnect()
            )
        except BaseException:
            self.connection_pool.release(connection)
            raise
        self._idle.append(connection)
        return answer

    def close(self) -> None:
        """Close the connections that nobody is using: a thread that waits for an answer would fail of a closed one."""
        if self._pid == os.getpid():
            while self._idle:
                self.connection_pool.release(self._idle.pop())
        if self.auto_close_connection_pool:
            self.connection_pool.disconnect(inuse_connections=False)

    def _taken(self) -> Any:
        """A usable connection: one that Redis has closed meanwhile is replaced, so that no command fails for that."""
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()
        try:
            connection = self._idle.pop()  # atomic, so that each goes to one thread only
        except IndexError:
            return self.connection_pool.get_connection()
        try:
            if not connection.can_read():  # readable: a stray reply, or the connection was closed
                return connection
        except AWAY_ERRORS:
            pass
        connection.disconnect()
        self.connection_pool.release(connection)
        return self.connection_pool.get_connection()

    def _answer(self, connection: Any, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        connection.send_command(*args, **options)
        return self.parse_response(connection, args[0], **options)  # type: ignore[no-untyped-call]


def is_full(error: BaseException) -> bool:
    """Whether *error* says that Redis has reached its maxmemory and refused a command, or a script's first write."""
    # The error of a script is not an OutOfMemoryError, and Redis 6.2 wraps its message.
    return isinstance(error, OutOfMemoryError) or "not allowed when used memory > 'maxmemory'" in str(error)


_TAKES_NO_WRITES = ("READONLY", "NOREPLICAS", "Not enough good replicas", "MISCONF", "errors writing to the AOF")


def write_refusal(error: BaseException) -> str:
    """Why Redis stored nothing and may take it later: "is full" or "takes no writes"; "" for any other error.

    It takes no writes if a failover has made it a replica, it has fewer replicas than it must have, or it cannot write
    to its disk.
    """
    if is_full(error):
        return "is full"
    # redis-py may cut the code off the message, and Redis 6.2 wraps the error of a script.
    said = isinstance(error, ResponseError) and any(words in str(error) for words in _TAKES_NO_WRITES)
    return "takes no writes" if said or isinstance(error, ReadOnlyError) else ""


def redis_url(url: str) -> str:
    """A Celery broker URL as redis-py spells it (redis+socket:///path?virtual_host=1 → unix:///path?db=1).

    Raises:
        ValueError: its TLS options are invalid.
    """
    for scheme in ("redis+socket://", "socket://"):
        if url.startswith(scheme):
            return "unix://" + url[len(scheme) :].replace("virtual_host=", "db=")
    return with_tls(url)
