"""``python -m benchmarks.shared_store``: bytes through Redis of 2,000 BatchFlow items over a store of 1 and of 64 MiB.

How it is reckoned: every byte that Redis receives or sends (INFO stats, total_net_*) from the call to its result. What
the items, their outcomes and the ledger's acts take is what the same batch takes over an empty store. A worker process
is one that runs items. The store comes in once and goes out once to the worker, whose processes share what one of them
has fetched: twice the store, where it cannot be compressed.
"""

from __future__ import annotations

import random
import statistics
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from benchmarks import nodes
from benchmarks.comparison import Cell, Comparison
from benchmarks.own import keep
from benchmarks.stage import Running, Stage

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


def mebibytes(running: Running, parts: Mapping[str, Any], reads: int) -> float:
    """MiB through Redis of one batch whose items read the first *reads* keys of *parts*."""
    flow = nodes.StoreFlow(start=nodes.ReadParts(reads))
    shared = {**parts, "count": ITEMS}
    before = running.traffic_bytes()
    flow.run(shared)
    return (running.traffic_bytes() - before) / MIB


def beside_empty(running: Running, slots: int, size_mib: int, *, as_bytes: bool) -> Comparison:
    """One store, measured in turn with an empty one."""
    chance = random.Random(size_mib)
    ours, allowed = [], []
    for _ in range(ROUNDS):
        parts = store(size_mib * MIB, chance, as_bytes=as_bytes)  # a new one: the last one is in Redis
        empty = mebibytes(running, {f"part {number}": "" for number in range(STORE_KEYS)}, STORE_KEYS)
        ours.append(mebibytes(running, parts, STORE_KEYS))
        allowed.append(empty + size_mib * slots * BAR)
    kind = f"{'random bytes' if as_bytes else 'text of 36 letters'}, {slots} processes"
    return Comparison(
        f"W4-{size_mib}MiB", f"2,000 items with a shared store of {size_mib} MiB of {kind}: bytes through Redis",
        "nobody", kind, name="–", unit="MiB", flowq=Cell("flowq", tuple(ours)), limit=statistics.median(allowed),
    )  # fmt: skip


def compare() -> Iterator[Comparison]:
    for slots, kinds in ((2, ((1, False), (64, False), (1, True), (64, True))), (6, ((1, True), (64, True)))):
        with Stage(slots) as stage:
            for size_mib, as_bytes in kinds:
                yield beside_empty(stage.use("flowq"), slots, size_mib, as_bytes=as_bytes)


if __name__ == "__main__":
    keep("shared_store", compare())
