"""Remains in Redis: keys of batches that are gone, and keys of ended batches that would never expire.

Redelivery: each call finds what is there and removes it once; what it removes belongs to nobody.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from flowq.engine.batches import HEADER_FIELDS, Header, parse_header
from flowq.engine.care.catalog import Catalog
from flowq.engine.connection import Connections
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.errors import BatchLost, DecodeError

AT_ONCE = 500


@dataclass(slots=True)
class Remains:
    """The remains that were found.

    Attributes:
        keys: keys of batches that are gone.
        unlimited: keys of ended batches without an expiry time.
        ended: ids of batches that ended longer ago than asked for, and whose run is not kept.
        read_on: those of them whose blobs others still read: a fork uses the values of the run it came from.
        listed: number of catalogue entries whose batch is gone.
    """

    keys: list[str] = field(default_factory=list)
    unlimited: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    read_on: set[str] = field(default_factory=set)
    listed: int = 0


class Cleaner:
    """Finds and removes remains."""

    def __init__(self, connections: Connections) -> None:
        self._redis, self._keys = connections.redis, connections.keys

    def find(self, older_than_s: float | None = None) -> Remains:
        """Look at every key under the prefix.

        Args:
            older_than_s: include batches that ended longer ago than this; not those below a run that is kept, nor
                those that only another flowq version can read.
        """
        found, owners, now_s = Remains(), self._by_owner(), self._now_s()
        old: dict[str, Header] = {}
        stays: dict[str, Header | None] = {}
        gone: list[str] = []
        stay_ended: list[str] = []
        for owner, (state, closed_ms, *told) in zip(owners, self._told(list(owners)), strict=True):
            if state is None:
                # Blobs of snapshots lie under the producer's scope, which has no meta; they expire by themselves.
                gone += owners[owner]
                continue
            ended = state not in UNENDED_IN_REDIS and closed_ms is not None
            past = ended and older_than_s is not None and now_s - int(closed_ms or 0) / 1000 >= older_than_s
            header = _header(owner, told)
            if past and header is not None:
                old[owner] = header
                continue
            stays[owner] = header
            if ended:
                stay_ended += owners[owner]
        for owner in _below(old, stays):
            stays[owner] = old.pop(owner)
            stay_ended += owners[owner]
        found.keys, found.unlimited, found.ended = self._without_end(gone), self._without_end(stay_ended), list(old)
        scopes = {header.scope for header in stays.values() if header is not None}
        # The scopes of batches that only another flowq version can read are unknown here.
        found.read_on = set(old) if None in stays.values() else old.keys() & scopes
        return found

    def remove(self, found: Remains) -> int:
        """Remove what ``find`` found; returns the number of keys removed."""
        gone = list(found.keys)
        for batch in found.ended:
            gone += self._of(batch, but_blobs=batch in found.read_on)
        for at in range(0, len(gone), AT_ONCE):
            self._redis.unlink(*gone[at : at + AT_ONCE])
        for name in found.unlimited:
            retention_ms = self._redis.hget(self._keys.meta(self._keys.owner(name)), "retention_ms")
            self._redis.pexpire(name, int(retention_ms or 86_400_000))
        page: int | None = 0
        while page is not None:
            page, removed = Catalog(self._redis, self._keys).trim(page)
            found.listed += removed
        return len(gone)

    def _by_owner(self) -> dict[str, list[str]]:
        """Keys with a hash tag, by that tag."""
        owners: dict[str, list[str]] = {}
        for name in self._redis.scan_iter(self._keys.pattern(), count=AT_ONCE):
            text = name.decode(errors="replace")
            owners.setdefault(self._keys.owner(text), []).append(text)
        return owners

    def _told(self, owners: list[str]) -> Iterator[list[bytes | None]]:
        """State, time of the end and header of each owner of keys."""
        for at in range(0, len(owners), AT_ONCE):
            with self._redis.pipeline(transaction=False) as pipe:
                for owner in owners[at : at + AT_ONCE]:
                    pipe.hmget(self._keys.meta(owner), ["state", "closed_ms", *HEADER_FIELDS])
                yield from pipe.execute()

    def _without_end(self, names: list[str]) -> list[str]:
        found = []
        for at in range(0, len(names), AT_ONCE):
            some = names[at : at + AT_ONCE]
            with self._redis.pipeline(transaction=False) as pipe:
                for name in some:
                    pipe.ttl(name)
                found += [name for name, left_s in zip(some, pipe.execute(), strict=True) if left_s == -1]
        return found

    def _now_s(self) -> float:
        seconds, micros = self._redis.time()
        return float(seconds + micros / 1e6)

    def _of(self, batch: str, *, but_blobs: bool) -> list[str]:
        names = [name.decode() for name in self._redis.scan_iter(self._keys.pattern(batch), count=AT_ONCE)]
        if not but_blobs:
            return names
        return [name for name in names if not name.startswith(self._keys.blob(batch, ""))]


def _header(owner: str, told: Sequence[bytes | None]) -> Header | None:
    """The header of a batch; None if only another flowq version can read it."""
    try:
        return parse_header(owner, told)
    except BatchLost:
        return Header(owner, "", "", "", None, b"")  # its meta is incomplete
    except DecodeError:
        return None


def _below(old: Mapping[str, Header], stays: Collection[str]) -> list[str]:
    """Those of *old* that are below one that stays: a resumed run reads the outcomes of its batches."""
    children: dict[str, list[str]] = {}
    for owner, header in old.items():
        children.setdefault(header.parent, []).append(owner)
    found = [one for parent in stays for one in children.pop(parent, ())]
    for parent in found:  # which grows: a child has children
        found += children.pop(parent, ())
    return found
