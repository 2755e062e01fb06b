"""Cached results of a fleet in Redis. In one process: batch/inline/memo.py."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from flowq.codec import dumps, loads
from flowq.engine.connection import Connections
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import CodecError

log = logging.getLogger("flowq.memo")


class FleetMemo:
    """See :class:`~flowq.batch.running.gate.Memo`. If Redis is away or full, items run although a result may be cached.

    Args:
        connections: this process's connections.
        scope: identifies the node whose results these are.
        ttl_s: how long results are kept.
    """

    def __init__(self, connections: Connections, scope: str, ttl_s: float) -> None:
        self._connections, self._scope, self._ttl_ms = connections, scope, max(1, int(ttl_s * 1000))
        self._ahead: dict[str, bytes | None] = {}

    def expect(self, keys: Iterable[str]) -> None:
        """See Memo."""
        wanted = list(dict.fromkeys(keys))
        # Of those before, what was not asked for has gone to others, and may be theirs to bring.
        self._ahead = {}
        if not wanted:
            return
        try:
            found = self._connections.redis.mget([self._name(key) for key in wanted])
        except REDIS_ERRORS as exc:
            log.warning("cached results cannot be read", extra={"error": repr(exc)})
            return
        self._ahead = dict(zip(wanted, found, strict=True))

    def get(self, key: str) -> tuple[Any, ...]:
        """See Memo."""
        # The first lookup uses what ``expect`` has read; a repeated one asks Redis, as another item may have stored it.
        found = self._ahead.pop(key) if key in self._ahead else self._read(key)
        if found is None:
            return ()
        try:
            return (loads(found),)
        except CodecError:  # written by another flowq version, or of a class unknown here
            return ()

    def put(self, key: str, value: Any) -> None:
        """See Memo; a value that cannot be encoded is not kept."""
        try:
            self._connections.redis.set(self._name(key), dumps(value), px=self._ttl_ms)
        except CodecError:
            return
        except REDIS_ERRORS as exc:
            log.warning("a result was not cached", extra={"error": repr(exc)})

    def _read(self, key: str) -> bytes | None:
        try:
            found: bytes | None = self._connections.redis.get(self._name(key))
        except REDIS_ERRORS:
            return None
        return found

    def _name(self, key: str) -> str:
        return self._connections.keys.result(self._scope, key)
