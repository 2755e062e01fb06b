"""Snapshots: a store saved as a manifest {key: hash} and content-addressed blobs.

Only blobs that Redis lacks are uploaded, only keys that are read are fetched.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, partial
from typing import Any, Generic, Protocol, TypeVar, cast

from flowq.codec import content_hash, dumps, loads
from flowq.core.store.merge import MISSING
from flowq.core.store.overlay import NOT_READ, UNCHANGING
from flowq.engine.fleet.meter import SNAPSHOT_BYTES, Meter
from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient
from flowq.errors import BatchLost, DecodeError, EncodeError

log = logging.getLogger("flowq.snapshots")

CACHE_BYTES = 256 * 1024 * 1024
UNTENDED_S = 30 * 86_400.0  # for so long the store of a batch that has not ended stays without any worker
AT_ONCE = 1000
NOT_THERE = -2  # reply of PTTL for a missing key

T = TypeVar("T")


class Blobs(Protocol):
    """The blobs that the processes of a worker have fetched and share."""

    def get(self, name: str, fetch: Callable[[], bytes]) -> bytes: ...


class Recent(Generic[T]):
    """A cache of the most recently used values: up to 256 MiB, or one value of any size. Thread-safe.

    Args:
        size_bytes: returns the size of a value.
    """

    def __init__(self, size_bytes: Callable[[T], int]) -> None:
        self._size_bytes = size_bytes
        self._values: OrderedDict[str, T] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    def get(self, name: str) -> T | Any:
        """The value under that name; MISSING if there is none."""
        with self._lock:
            if name not in self._values:
                return MISSING
            self._values.move_to_end(name)
            return self._values[name]

    def keep(self, name: str, value: T) -> T:
        """Keep *value* unless another thread has kept one meanwhile; returns the kept one."""
        with self._lock:
            if name in self._values:
                return self._values[name]
            self._values[name] = value
            self._bytes += self._size_bytes(value)
            while self._bytes > CACHE_BYTES and len(self._values) > 1:
                _, dropped = self._values.popitem(last=False)
                self._bytes -= self._size_bytes(dropped)
            return value


class Snapshots:
    """Saves and loads snapshots; caches the blobs used last, encoded, up to 256 MiB per process.

    Args:
        redis, keys: where blobs are stored.
        shared: asked before Redis (None: no other process shares blobs).
    """

    def __init__(self, redis: RedisClient, keys: Keys, shared: Blobs | None = None) -> None:
        self._redis, self._keys, self._shared = redis, keys, shared
        self._cache: Recent[bytes] = Recent(len)

    def save(
        self,
        scope: str,
        store: Mapping[str, Any],
        retention_s: float,
        *,
        require: Callable[[int], None] | None = None,
    ) -> dict[str, str]:
        """Upload the values of *store* that Redis lacks, and return its manifest.

        Args:
            scope: owner of the blobs.
            store: what to save.
            retention_s: see ``keep``.
            require: called with the bytes to upload; raises if there is no room for them.

        Raises:
            EncodeError: a value cannot be encoded; the path begins with the key.
        """
        manifest: dict[str, str] = {}
        blobs: dict[str, bytes] = {}
        for key, value in store.items():
            blob = encoded_value(key, value)
            manifest[key] = content_hash(blob)
            blobs[manifest[key]] = blob
        self.keep(scope, blobs, retention_s, require=require)
        return manifest

    def keep(
        self,
        scope: str,
        blobs: Mapping[str, bytes],
        retention_s: float,
        *,
        holder: str = "",
        require: Callable[[int], None] | None = None,
    ) -> None:
        """Upload those of *blobs* (by hash) that Redis lacks; see ``hold`` for how long all of them are kept."""
        if not blobs:
            return
        upload = partial(self._upload, scope, blobs, untended_ms(retention_s), holder, require)
        sent_bytes = self._write(scope, upload)
        if sent_bytes:
            Meter(self._redis, self._keys).add({SNAPSHOT_BYTES: sent_bytes})

    def _write(self, scope: str, act: Callable[[], int]) -> int:
        return act()

    def _upload(
        self,
        scope: str,
        blobs: Mapping[str, bytes],
        lifetime_ms: int,
        holder: str,
        require: Callable[[int], None] | None,
    ) -> int:
        """Upload the missing blobs and return their size. Redelivery: what Redis holds is not sent again."""
        there = self._extend(scope, list(blobs), lifetime_ms, holder)
        missing = {name: blob for name, blob in blobs.items() if name not in there}
        if not missing:
            return 0
        size_bytes = sum(len(blob) for blob in missing.values())
        if require is not None:
            require(size_bytes)
        for name, blob in missing.items():
            self._redis.set(self._keys.blob(scope, name), blob, px=lifetime_ms)
        return size_bytes

    def held_by(self, holder: str) -> set[str]:
        """The names of the blobs that a batch keeps for as long as it has not ended."""
        return {name.decode() for name in self._redis.smembers(self._keys.held(holder))}

    def hold(self, scope: str, names: Iterable[str], retention_s: float, holder: str) -> None:
        """Keep the blobs of *scope* with these *names* for a month from now on, or for *retention_s* if that is more.

        Other blobs of the scope belong to others or are no longer used: held as well, they would never expire.

        Args:
            scope, names: owner and hashes of the blobs.
            retention_s: of the batch that needs them.
            holder: that batch.
        """
        wanted = list(names)
        for at in range(0, len(wanted), AT_ONCE):
            self._extend(scope, wanted[at : at + AT_ONCE], untended_ms(retention_s), holder)

    def release(self, scope: str, names: Iterable[str], retention_s: float, holder: str) -> None:
        """Keep the blobs *names* for *retention_s* from now on: *holder* holds them no more."""
        held = list(names)
        for at in range(0, len(held), AT_ONCE):
            some = held[at : at + AT_ONCE]
            keys = [self._keys.blob(scope, name) for name in some]
            with self._redis.pipeline(transaction=False) as pipe:
                for key in keys:
                    pipe.pttl(key)
                for key, left_ms in zip(keys, pipe.execute(), strict=True):
                    if left_ms > retention_s * 1000:
                        pipe.pexpire(key, int(retention_s * 1000))
                pipe.srem(self._keys.held(holder), *some)
                pipe.execute()

    def _extend(self, scope: str, names: Sequence[str], lifetime_ms: int, holder: str) -> set[str]:
        """Extend the lifetime of those of *names* that exist, to at least *lifetime_ms*; returns them."""
        keys = [self._keys.blob(scope, name) for name in names]
        with self._redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.pttl(key)
            if holder and names:  # before they are kept for long, so that none is that nobody would release
                pipe.sadd(self._keys.held(holder), *names)
                pipe.pexpire(self._keys.held(holder), lifetime_ms)
            left = pipe.execute()[: len(keys)]
            for key, left_ms in zip(keys, left, strict=True):
                if NOT_THERE < left_ms < lifetime_ms:
                    pipe.pexpire(key, lifetime_ms)
            pipe.execute()
        return {name for name, left_ms in zip(names, left, strict=True) if left_ms != NOT_THERE}

    def load(self, scope: str, name: str) -> bytes:
        """The encoded value with this hash.

        Raises:
            BatchLost: Redis does not hold it.
            DecodeError: the blob under this hash has other content.
        """
        known = self._cache.get(name)
        if known is not MISSING:
            return cast(bytes, known)
        fetch = partial(self._fetch, scope, name)
        blob = fetch() if self._shared is None else self._shared.get(name, fetch)
        return self._cache.keep(name, blob)

    def _fetch(self, scope: str, name: str) -> bytes:
        blob: bytes | None = self._redis.get(self._keys.blob(scope, name))
        if blob is None:
            raise BatchLost(scope)
        if content_hash(blob) != name:
            log.error("a blob of a snapshot was refused: it has another hash", extra={"scope": scope, "blob": name})
            raise DecodeError(f"the blob {name} of snapshot {scope} has another hash: it was altered")
        return blob


def untended_ms(retention_s: float) -> int:
    """How long a blob of a batch that has not ended is kept after it was saved or looked after."""
    return int(max(retention_s, UNTENDED_S) * 1000)


def encoded_value(key: str, value: Any) -> bytes:
    """Encode the value of one key of a store.

    Raises:
        EncodeError: it cannot be encoded; the path begins with the key.
    """
    try:
        return dumps(value)
    except EncodeError as error:
        raise EncodeError(f"shared[{key!r}]{error.path}", error.reason) from None


class SnapshotBase:
    """The snapshot below the overlays of a batch's items. A mutable value is decoded at each load, so that no two items
    share one; an immutable value is decoded once and shared by all items of this process.
    """

    def __init__(self, snapshots: Snapshots, scope: str, manifest: Mapping[str, str]) -> None:
        self._snapshots, self._scope, self._manifest = snapshots, scope, manifest
        self._fixed: Recent[Any] = Recent(sys.getsizeof)

    @cached_property
    def unread(self) -> dict[str, Any]:
        return dict.fromkeys(self._manifest, NOT_READ)

    def load(self, key: str) -> Any:
        known = self._fixed.get(key)
        if known is not MISSING:
            return known
        blob = self._snapshots.load(self._scope, self._manifest[key])
        value = loads(blob)
        return self._fixed.keep(key, value) if type(value) in UNCHANGING else value

    def changed(self, key: str, value: Any) -> bool:
        """Whether *value* differs from the saved one, by its encoding."""
        if self._fixed.get(key) is value:
            return False
        return content_hash(dumps(value)) != self._manifest[key]
