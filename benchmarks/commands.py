"""``python -m benchmarks.commands [1x2 …]``: what is sent to Redis, per chunk and per item, by purpose; and when idle.

Every process of the fleet writes down what it writes to its sockets (wire.py); bytes and CPU are the server's own
figures (INFO). What the idle fleet sends is measured first, and taken off by time.
"""

from __future__ import annotations

import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from rich.console import Console
from rich.table import Table

import flowq
from benchmarks import nodes, wire
from benchmarks.counted import Cost, Server

IDLE_S = 6.0
SETTLE_S = 2.5  # the aggregator of a batch comes after its close, within the next two beats
MODULES = ["benchmarks.nodes", "benchmarks.wire"]
LAYOUTS = ((1, 1), (1, 2), (1, 4), (1, 8), (2, 1), (4, 1), (8, 1))
PAYLOAD_BYTES = 100 * 1024


@dataclass(frozen=True)
class Row:
    """A measured stretch: of how many workers and slots, what they did."""

    workers: int
    slots: int
    what: str
    items: int
    cost: Cost


class Fleet:
    """Workers whose writes are written down, on a Redis of their own."""

    def __init__(self, folder: Path, workers: int, slots: int) -> None:
        self.workers, self.slots, self._folder = workers, slots, folder
        self._cluster = flowq.LocalCluster(
            slots=slots, workers=workers, imports=MODULES, env={wire.FOLDER: str(folder)}
        )

    def __enter__(self) -> Fleet:
        self._cluster.start()
        self._redis = Redis.from_url(self._cluster.redis.redis_url)
        nodes.Noop().map(range(50_000))  # scripts are loaded, connections open, sizes known
        time.sleep(SETTLE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self._cluster.stop()

    def cost(self, run: Callable[[], object], settle_s: float = SETTLE_S) -> Cost:
        """What *run* cost, its aggregation included."""
        before = Server.now(self._redis)
        run()
        time.sleep(settle_s)
        after = Server.now(self._redis)
        return Cost.of(before, after, wire.between(wire.read(self._folder), before.at_s, after.at_s))

    def rows(self, runs: dict[str, tuple[type[Any], Sequence[Any]]]) -> list[Row]:
        """The idle fleet, then each batch without it."""
        idle = self.cost(lambda: time.sleep(IDLE_S), 0.0)
        rows = [Row(self.workers, self.slots, "idle", 0, idle)]
        for what, (node, items) in runs.items():
            cost = self.cost(lambda node=node, items=items: node().map(items))  # type: ignore[misc]
            rows.append(Row(self.workers, self.slots, what, len(items), cost.without(idle)))
        return rows


def measure(layouts: Sequence[tuple[int, int]]) -> list[Row]:
    """Every layout, and on two slots of one worker every batch."""
    rows: list[Row] = []
    folder = Path(tempfile.mkdtemp(prefix="wire-"))
    wire.record(folder)
    try:
        for workers, slots in layouts:
            all_slots = workers * slots
            runs: dict[str, tuple[type[Any], Sequence[Any]]] = {
                f"{200 * all_slots} x 10 ms": (nodes.Nap, [0.01] * (200 * all_slots)),
                f"{10 * all_slots} x 300 ms": (nodes.Nap, [0.3] * (10 * all_slots)),
            }
            if (workers, slots) == (1, 2):
                runs |= {f"{n:,} no-op": (nodes.Noop, range(n)) for n in (100, 1_000, 10_000, 100_000)}
                block = random.Random(7).randbytes(PAYLOAD_BYTES)
                runs["400 x 100 KiB, in and out"] = (nodes.Noop, [block] * 400)
            with Fleet(folder, workers, slots) as fleet:
                rows += fleet.rows(runs)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return rows


def show(rows: Sequence[Row]) -> None:
    """The tables."""
    console = Console(width=170)
    idle = Table(title="an idle fleet, a second")
    for column in ("workers x slots", "trips", "trips a worker", "commands", "bytes in", "bytes out", "Redis CPU ms"):
        idle.add_column(column, justify="right")
    batches = Table(title="batches, idle cost taken off: per chunk, and per item")
    for column in (
        "workers x slots", "batch", "chunks", "trips/chunk", "commands/chunk", "in scripts/chunk", "kB in/chunk",
        "kB out/chunk", "CPU ms/chunk", "trips/item", "bytes in/item", "CPU µs/item",
    ):  # fmt: skip
        batches.add_column(column, justify="right")
    for row in rows:
        cost, place = row.cost, f"{row.workers} x {row.slots}"
        trips, commands = sum(cost.trips.values()), sum(cost.commands.values())
        if row.what == "idle":
            s = cost.seconds
            idle.add_row(
                place, f"{trips / s:.1f}", f"{trips / s / row.workers:.1f}", f"{commands / s:.1f}",
                f"{cost.in_bytes / s:,.0f}", f"{cost.out_bytes / s:,.0f}", f"{cost.cpu_s / s * 1000:.2f}",
            )  # fmt: skip
            continue
        n = cost.chunks
        batches.add_row(
            place, row.what, str(n), f"{trips / n:.1f}", f"{commands / n:.1f}", f"{(cost.calls - commands) / n:.0f}",
            f"{cost.in_bytes / n / 1000:.1f}", f"{cost.out_bytes / n / 1000:.1f}", f"{cost.cpu_s / n * 1000:.2f}",
            f"{trips / row.items:.3f}", f"{cost.in_bytes / row.items:,.0f}", f"{cost.cpu_s / row.items * 1e6:,.0f}",
        )  # fmt: skip
    console.print(idle)
    console.print(batches)
    for row in rows:
        if (row.workers, row.slots) == (1, 2) and row.what in ("idle", "400 x 10 ms", "100,000 no-op"):
            console.print(_by_purpose(row))


def _by_purpose(row: Row) -> Table:
    per, n = ("second", row.cost.seconds) if row.what == "idle" else ("chunk", float(row.cost.chunks))
    table = Table(title=f"{row.what}, {row.workers} x {row.slots}: a {per}, by purpose")
    for column in ("purpose", f"trips/{per}", f"commands/{per}", f"bytes sent/{per}"):
        table.add_column(column, justify="left" if column == "purpose" else "right")
    for what, trips in row.cost.trips.most_common():
        size_bytes = row.cost.sent_bytes[what]
        table.add_row(what, f"{trips / n:.2f}", f"{row.cost.commands[what] / n:.2f}", f"{size_bytes / n:,.0f}")
    return table


if __name__ == "__main__":
    show(measure([(int(one.split("x")[0]), int(one.split("x")[1])) for one in sys.argv[1:]] or LAYOUTS))
