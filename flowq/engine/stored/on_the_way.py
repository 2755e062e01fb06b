"""A walk's calls to Redis, retried while it is away or full. Their errors never count as errors of the item.

Redelivery: *call* is repeated after an error, even if it was carried out and only its reply was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from flowq.core.journey import OutOfReach
from flowq.engine.connection import Connections
from flowq.engine.patience import when_taken, when_there
from flowq.engine.redis_client import AWAY_ERRORS, write_refusal
from flowq.engine.stored.snapshots import Blobs, Snapshots
from flowq.errors import NoRedis, RedisFull

T = TypeVar("T")


@contextmanager
def left_in_trouble() -> Iterator[None]:
    """Convert the errors that flowq raises after waiting in vain for Redis into one that leaves the walk.

    Raises:
        OutOfReach: NoRedis or RedisFull was raised in the block.
    """
    try:
        yield
    except NoRedis as error:
        raise OutOfReach("Redis did not answer") from error
    except RedisFull as error:
        raise OutOfReach("Redis is full") from error


def read(connections: Connections, call: Callable[[], T]) -> T:
    """Call *call*, which only reads, and return its result.

    Raises:
        OutOfReach: Redis has not answered for 30 s.
    """
    with left_in_trouble():
        return when_there(connections, call)


def write(call: Callable[[], T], *, log_as: Mapping[str, Any]) -> T:
    """Call *call*, which writes, and return its result.

    Raises:
        OutOfReach: Redis has not answered for 30 s, or has been full or taken no writes for 5 min.
    """
    try:
        return when_taken(call, log_as=log_as)
    except Exception as error:
        refused = write_refusal(error)
        if refused:
            raise OutOfReach(f"Redis {refused}") from error
        if isinstance(error, AWAY_ERRORS):
            raise OutOfReach("Redis did not answer") from error
        raise


class SnapshotsOnTheWay(Snapshots):
    """The snapshots that walks read from and save their changes to.

    Redelivery: a blob is stored under its hash; saving it again extends its lifetime.
    """

    def __init__(self, connections: Connections, shared: Blobs | None = None) -> None:
        super().__init__(connections.redis, connections.keys, shared)
        self._connections = connections

    def _fetch(self, scope: str, name: str) -> bytes:
        fetch = super()._fetch
        return read(self._connections, lambda: fetch(scope, name))

    def _write(self, scope: str, act: Callable[[], int]) -> int:
        return write(act, log_as={"scope": scope})
