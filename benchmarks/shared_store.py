"""``python -m benchmarks.shared_store``: bytes through Redis of 2,000 BatchFlow items over a store of 1 and of 64 MiB.

How it is reckoned: every byte that Redis receives or sends (INFO stats, total_net_*) from the call to its result. What
the items, their outcomes and the ledger's acts take is what the same batch takes over an empty store. A worker process
is one that runs items. The store comes in once and goes out once to each process, so (processes + 1) x store is the
least there can be of what cannot be compressed; that is within the bar from 5 processes on.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import partial
from typing import Any

from redis import Redis

import flowq
from benchmarks import nodes
from benchmarks.machine import Machine
from benchmarks.table import Cell, Row, show

ITEMS = 2000
MIB = 2**20
ROUNDS = 3
LETTERS = b"abcdefghijklmnopqrstuvwxyz0123456789"
STORE_KEYS = 16
BAR = 1.2


def text(size: int, chance: random.Random) -> str:
    """*size* characters of 36 kinds at random: no word comes twice, and there is little to compress."""
    table = bytes(LETTERS[n % len(LETTERS)] for n in range(256))
    return chance.randbytes(size).translate(table).decode()


def store(size: int, chance: random.Random, *, as_bytes: bool) -> dict[str, Any]:
    """A store of *size* bytes under some keys."""
    part = size // STORE_KEYS
    make = chance.randbytes if as_bytes else partial(text, chance=chance)
    return {f"part {number}": make(part) for number in range(STORE_KEYS)}


def megabytes(m: Machine, parts: Mapping[str, Any], reads: int) -> float:
    """MiB through Redis of one batch whose items read the first *reads* keys of *parts*."""
    flow = nodes.StoreFlow(start=nodes.ReadParts(reads))
    shared = {**parts, "count": ITEMS}
    return m.bytes_of(lambda: flow.run(shared)) / MIB


def rows_of(m: Machine, slots: int, size_mib: int, *, as_bytes: bool, reads: int = STORE_KEYS) -> Row:
    """One store, measured beside an empty one."""
    chance = random.Random(size_mib)
    ours, allowed = [], []
    for _ in range(ROUNDS):
        parts = store(size_mib * MIB, chance, as_bytes=as_bytes)  # a new one: the last one is in Redis
        empty = megabytes(m, {f"part {number}": "" for number in range(STORE_KEYS)}, reads)
        ours.append(megabytes(m, parts, reads))
        allowed.append(empty + size_mib * slots * BAR * reads / STORE_KEYS)
    kind = "random bytes" if as_bytes else "text"
    return Row(
        f"2,000 items, {size_mib} MiB of {kind}, {reads} of {STORE_KEYS} keys read, {slots} processes",
        Cell("flowq", ours, "MiB"), Cell("items + store x processes x 1.2", allowed, "MiB"), False, 1.0,
    )  # fmt: skip


def rows() -> list[Row]:
    found = []
    for slots, kinds in ((2, ((1, False), (64, False), (1, True), (64, True))), (6, ((1, True), (64, True)))):
        with flowq.LocalCluster(slots=slots, workers=1, imports=["benchmarks.nodes"]) as cluster:
            m = Machine(cluster, Redis.from_url(cluster.redis.redis_url), None, 0)  # type: ignore[arg-type]
            nodes.Noop().map(range(1000))
            for size_mib, as_bytes in kinds:
                found.append(rows_of(m, slots, size_mib, as_bytes=as_bytes))
    return found


if __name__ == "__main__":
    show(rows(), [__doc__ or ""])
