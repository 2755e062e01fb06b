"""What lies in Redis and belongs to nothing: keys of batches that are gone, and ended batches without an end in time.

Redelivery: everything here is found anew and removed once; what is removed was nobody's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from flowq.engine.catalog import Catalog
from flowq.engine.connection import Connections

AT_ONCE = 500


@dataclass(slots=True)
class Remains:
    """What was found.

    Attributes:
        keys: names of keys of batches that are gone.
        unlimited: names of keys of ended batches that would be kept for ever.
        ended: ids of batches that ended longer ago than was asked for.
        listed: entries of the catalogue whose batch is gone.
    """

    keys: list[str] = field(default_factory=list)
    unlimited: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    listed: int = 0


class Cleaner:
    """Finds and removes it."""

    def __init__(self, connections: Connections) -> None:
        self._redis, self._keys = connections.redis, connections.keys

    def find(self, older_than_s: float | None = None) -> Remains:
        """Look at every key under the prefix.

        Args:
            older_than_s: take ended batches as well, if they ended longer ago than this.
        """
        found = Remains()
        for owner, names in self._by_owner():
            self._judge(owner, names, older_than_s, found)
        return found

    def remove(self, found: Remains) -> int:
        """Remove what ``find`` found; answers how many keys."""
        gone = [*found.keys, *(key for batch in found.ended for key in self._of(batch))]
        for at in range(0, len(gone), AT_ONCE):
            self._redis.unlink(*gone[at : at + AT_ONCE])
        for name in found.unlimited:
            retention_ms = self._redis.hget(self._keys.meta(self._keys.owner(name)), "retention_ms")
            self._redis.pexpire(name, int(retention_ms or 86_400_000))
        at = 0
        while True:
            at, removed = Catalog(self._redis, self._keys).trim(at)
            found.listed += removed
            if not at:
                return len(gone)

    def _judge(self, owner: str, names: list[str], older_than_s: float | None, found: Remains) -> None:
        state, closed_ms = self._redis.hmget(self._keys.meta(owner), ["state", "closed_ms"])
        if state is None:
            # Blobs of snapshots lie under the producer's scope, which has no meta; they end by themselves.
            found.keys += [name for name in names if self._redis.ttl(name) == -1]
            return
        if state in (b"running", b"paused") or closed_ms is None:
            return
        seconds, micros = self._redis.time()
        if older_than_s is not None and seconds + micros / 1e6 - int(closed_ms) / 1000 >= older_than_s:
            found.ended.append(owner)
        else:
            found.unlimited += [name for name in names if self._redis.ttl(name) == -1]

    def _by_owner(self) -> Iterator[tuple[str, list[str]]]:
        """Keys with a tag, by what stands in it."""
        owners: dict[str, list[str]] = {}
        for name in self._redis.scan_iter(self._keys.pattern(), count=AT_ONCE):
            text = name.decode(errors="replace")
            owners.setdefault(self._keys.owner(text), []).append(text)
        yield from owners.items()

    def _of(self, batch: str) -> list[str]:
        return [name.decode() for name in self._redis.scan_iter(self._keys.pattern(batch), count=AT_ONCE)]
