"""What a process keeps of the snapshots it has read, whichever of its threads read it."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from redis import Redis

from flowq.engine.keys import Keys
from flowq.engine.stored import snapshots
from flowq.engine.stored.snapshots import SnapshotBase, Snapshots

THREADS = 8
PART_BYTES = 10_000


class TakenTogether:
    """What a worker's processes share, and answers only when all threads of this one have asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.together = Barrier(THREADS)

    def get(self, name: str, fetch: Callable[[], bytes]) -> bytes:
        self.asked += 1
        if self.asked <= THREADS * 2:
            self.together.wait(10)
        return fetch()


def test_a_blob_that_several_threads_load_at_once_counts_once(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snapshots, "CACHE_BYTES", 3 * PART_BYTES)
    keys, shared = Keys("test"), TakenTogether()
    store = {name: os.urandom(PART_BYTES) for name in ("a", "b")}
    manifest = Snapshots(redis, keys).save("scope", store, 60)
    kept = Snapshots(redis, keys, shared)
    base = SnapshotBase(kept, "scope", manifest)
    with ThreadPoolExecutor(THREADS) as pool:
        for name in store:
            assert list(pool.map(base.load, [name] * THREADS)) == [store[name]] * THREADS
    assert shared.asked == THREADS * 2
    assert [base.load(name) is base.load(name) for name in store] == [True, True]
    for _ in range(5):
        assert {name: SnapshotBase(kept, "scope", manifest).load(name) for name in store} == store
    assert shared.asked == THREADS * 2, "both are still there"
