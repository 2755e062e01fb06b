"""``python -m benchmarks.checkpoints``: bytes sent by a durable run over a large store that changes a little a step."""

from __future__ import annotations

import random

from benchmarks import nodes
from benchmarks.comparison import Cell, Comparison
from benchmarks.own import keep
from benchmarks.stage import MIB, Stage, machine
from benchmarks.systems import kind

PARTS, STEPS, ROUNDS = 200, 100, 5
MOST = 1.05


def compare() -> Comparison:
    """200 MiB in as many keys, 100 steps that change one small key each: the store is sent once."""
    chance = random.Random(7)
    store = {f"part {number}": chance.randbytes(MIB) for number in range(PARTS)}
    sent = []
    with Stage() as stage:
        running = stage.use("flowq")
        for _ in range(ROUNDS):
            before = running.received_bytes()
            result = nodes.counting(STEPS).submit(store).result(timeout=300)
            sent.append((running.received_bytes() - before) / MIB)
            assert result.shared["count"] == STEPS
            assert result.shared["part 7"] == store["part 7"]
        return Comparison(
            workload="checkpoints", what=f"a durable run of {STEPS} steps over a store of {PARTS} MiB: sent to Redis",
            peer="the store alone", way="", unit="MiB", limit=PARTS * MOST, flowq=Cell(kind("flowq").name, tuple(sent)),
            other=Cell("the store alone", (float(PARTS),)), machine=machine(running, "flowq"),
        )  # fmt: skip


if __name__ == "__main__":
    keep("checkpoints", [compare()])
