"""The catalogue: what Redis holds, newest first, by kind and time of creation. Never what state any of it is in.

Redelivery: an entry is written once under its own name; trimming removes only what is not there any more.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient

Kind = Literal["batch", "run"]

PAGE = 100
SWEEP_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch or run.

    Attributes:
        kind: "batch" or "run"; a newer flowq may know others.
        id: its id.
        created_at: when it was made, in seconds since the epoch by Redis' clock.
    """

    kind: str
    id: str
    created_at: float

    @property
    def name(self) -> str:
        """How the catalogue spells it."""
        return f"{self.kind}:{self.id}"


class Catalog:
    """The list itself. Batches and runs enter it in the step that makes them (lua/append.lua)."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys

    def newest(self, kind: Kind | None = None) -> Iterator[Entry]:
        """What is there, newest first, read a page at a time; entries of what is gone are left out."""
        at = 0
        while page := self._redis.zrevrange(self._keys.catalog, at, at + PAGE - 1, withscores=True):
            entries = [_entry(name, score) for name, score in page]
            gone = set(self._gone(entries))
            yield from (one for one in entries if one.name not in gone and kind in (None, one.kind))
            at += len(page)

    def trim(self, at: int = 0) -> tuple[int, int]:
        """Remove what is gone among the entries from place *at* on, a page of them, oldest first.

        Returns:
            Where to go on, 0 once all have been looked at, and how many were removed.
        """
        page = self._redis.zrange(self._keys.catalog, at, at + PAGE - 1, withscores=True)
        gone = self._gone([_entry(name, score) for name, score in page])
        if gone:
            self._redis.zrem(self._keys.catalog, *gone)
        return (at + len(page) - len(gone) if len(page) == PAGE else 0), len(gone)

    def _gone(self, entries: Sequence[Entry]) -> list[str]:
        """The names of those whose retention is over."""
        heads = [(one.name, self._keys.head(one.kind, one.id)) for one in entries]
        known = [(name, head) for name, head in heads if head is not None]
        with self._redis.pipeline(transaction=False) as pipe:
            for _, head in known:
                pipe.exists(head)
            there = pipe.execute() if known else []
        return [name for (name, _), exists in zip(known, there, strict=True) if not exists]


class Sweep:
    """Trims the catalogue, a page at each ``tick``, from its start again a minute after it came to its end."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._at = 0
        self._next_at = time.monotonic()

    def tick(self) -> None:
        """A page, if it is time."""
        if time.monotonic() < self._next_at:
            return
        self._at, _ = self._catalog.trim(self._at)
        if self._at == 0:
            self._next_at = time.monotonic() + SWEEP_EVERY_S


def _entry(name: bytes, score: float) -> Entry:
    kind, _, entry_id = name.decode(errors="replace").partition(":")
    return Entry(kind, entry_id, score / 1000)
