"""Calls to Redis on the way of a walk: made again while it is away or full. Its errors are never those of the item.

Redelivery: *call* is made again after an error, also if it was carried out and only its answer was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar

from flowq.core.journey import OutOfReach
from flowq.engine.connection import Connections
from flowq.engine.patience import when_taken, when_there
from flowq.engine.redis_client import AWAY_ERRORS, is_full
from flowq.engine.stored.snapshots import Blobs, Snapshots
from flowq.errors import NoRedis, RedisFull

T = TypeVar("T")


@contextmanager
def left_in_trouble() -> Iterator[None]:
    """Within the block, what flowq raises once it has waited long enough for Redis leaves the walk.

    Raises:
        OutOfReach: NoRedis or RedisFull were raised.
    """
    try:
        yield
    except NoRedis as error:
        raise OutOfReach("Redis did not answer") from error
    except RedisFull as error:
        raise OutOfReach("Redis is full") from error


def read(connections: Connections, call: Callable[[], T]) -> T:
    """What *call* answers, which only reads.

    Raises:
        OutOfReach: Redis has not answered for 30 s.
    """
    with left_in_trouble():
        return when_there(connections, call)


def write(call: Callable[[], T], *, log_as: Mapping[str, Any]) -> T:
    """What *call* answers, which writes.

    Raises:
        OutOfReach: Redis has not answered for 30 s, or has been full for 5 min.
    """
    try:
        return when_taken(call, log_as=log_as)
    except Exception as error:
        if is_full(error):
            raise OutOfReach("Redis is full") from error
        if isinstance(error, AWAY_ERRORS):
            raise OutOfReach("Redis did not answer") from error
        raise


class SnapshotsOnTheWay(Snapshots):
    """The snapshots that walks read from, and keep their changes in.

    Redelivery: a blob lies under its hash; one that is there already is kept as long from now on.
    """

    def __init__(self, connections: Connections, shared: Blobs | None = None) -> None:
        super().__init__(connections.redis, connections.keys, shared)
        self._connections = connections

    def _fetch(self, scope: str, name: str) -> bytes:
        fetch = super()._fetch
        return read(self._connections, lambda: fetch(scope, name))

    def _upload(
        self, scope: str, blobs: Mapping[str, bytes], lifetime_ms: int, require: Callable[[int], None] | None
    ) -> int:
        upload = super()._upload
        return write(lambda: upload(scope, blobs, lifetime_ms, require), log_as={"scope": scope})
