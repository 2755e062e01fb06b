"""The catalogue: all batches and runs in Redis, newest first, by kind and creation time. Knows nothing of their state.

Redelivery: an entry is written once under its own name; trimming only removes entries of what is gone.
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
PAGES_A_TICK = 50


@dataclass(frozen=True, slots=True)
class Entry:
    """One batch or run.

    Attributes:
        kind: "batch" or "run"; a newer flowq may know others.
        id: its id.
        created_at: creation time in seconds since the epoch, by Redis' clock.
    """

    kind: str
    id: str
    created_at: float

    @property
    def name(self) -> str:
        """Its name in the catalogue."""
        return f"{self.kind}:{self.id}"


class Catalog:
    """The catalogue in Redis. Batches and runs are added in the step that creates them (lua/append.lua)."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys

    def newest(self, kind: Kind | None = None) -> Iterator[Entry]:
        """The entries, newest first, read a page at a time; entries of what is gone are left out."""
        at = 0
        while page := self._redis.zrevrange(self._keys.catalog, at, at + PAGE - 1, withscores=True):
            entries = [_entry(name, score) for name, score in page]
            gone = set(self._gone(entries))
            yield from (one for one in entries if one.name not in gone and kind in (None, one.kind))
            at += len(page)

    def trim(self, at: int = 0) -> tuple[int | None, int]:
        """Remove entries of what is gone from one page, oldest first, beginning at place *at*.

        Returns:
            The place to continue at (None after the last page), and how many entries were removed.
        """
        page = self._redis.zrange(self._keys.catalog, at, at + PAGE - 1, withscores=True)
        gone = self._gone([_entry(name, score) for name, score in page])
        if gone:
            self._redis.zrem(self._keys.catalog, *gone)
        return (at + len(page) - len(gone) if len(page) == PAGE else None), len(gone)

    def _gone(self, entries: Sequence[Entry]) -> list[str]:
        """The names of the entries whose retention is over."""
        heads = [(one.name, self._keys.head(one.kind, one.id)) for one in entries]
        known = [(name, head) for name, head in heads if head is not None]
        with self._redis.pipeline(transaction=False) as pipe:
            for _, head in known:
                pipe.exists(head)
            there = pipe.execute() if known else []
        return [name for (name, _), exists in zip(known, there, strict=True) if not exists]


class Sweep:
    """Trims the catalogue: one page per ``tick``, and the next ones while entries of what is gone are found, so that it
    keeps up with any rate of batches; begins again a minute after its end.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._at = 0
        self._next_at = time.monotonic()

    def tick(self) -> None:
        """Trim, if it is time."""
        if time.monotonic() < self._next_at:
            return
        for _ in range(PAGES_A_TICK):
            at, removed = self._catalog.trim(self._at)
            self._at = at or 0
            if at is None:
                self._next_at = time.monotonic() + SWEEP_EVERY_S
            if at is None or not removed:
                return


def _entry(name: bytes, score: float) -> Entry:
    kind, _, entry_id = name.decode(errors="replace").partition(":")
    return Entry(kind, entry_id, score / 1000)
