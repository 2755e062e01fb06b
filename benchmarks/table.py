"""Interleaved rounds and the table they make: median and spread of each system, and their ratio beside the bar."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True)
class Cell:
    """What several runs of one system took: seconds, or another unit."""

    name: str
    values: list[float]
    unit: str = "s"

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def __str__(self) -> str:
        low, high = min(self.values), max(self.values)
        return f"{self._text(self.median)} ({self._text(low)} to {self._text(high)})"

    def _text(self, value: float) -> str:
        if self.unit != "s":
            return f"{value:,.3g} {self.unit}"
        return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


@dataclass(frozen=True)
class Row:
    """One comparison. ``ratio`` is other / ours when *faster* (times as fast), else ours / other (times as long)."""

    what: str
    ours: Cell
    other: Cell
    faster: bool
    bar: float

    @property
    def ratio(self) -> float:
        return self.other.median / self.ours.median if self.faster else self.ours.median / self.other.median

    @property
    def met(self) -> bool:
        return self.ratio >= self.bar if self.faster else self.ratio <= self.bar


def interleaved(systems: dict[str, Callable[[], object]], rounds: int) -> dict[str, Cell]:
    """Each system once a round, in turn, after one round to warm up."""
    times: dict[str, list[float]] = {name: [] for name in systems}
    for turn in range(rounds + 1):
        for name, run in systems.items():
            gc.collect()
            began = time.perf_counter()
            run()
            if turn:
                times[name].append(time.perf_counter() - began)
    return {name: Cell(name, seconds) for name, seconds in times.items()}


def show(rows: list[Row], notes: list[str]) -> None:
    """Print the table."""
    table = Table(title="flowq beside its peers, 2 slots; median (spread) of interleaved runs")
    for column in ("what", "flowq", "beside", "", "ratio", "bar", "met"):
        table.add_column(column)
    for row in rows:
        sign = ">=" if row.faster else "<="
        table.add_row(
            row.what, str(row.ours), row.other.name, str(row.other), f"{row.ratio:.3g} x", f"{sign} {row.bar:g} x",
            "yes" if row.met else "NO",
        )  # fmt: skip
    console = Console(width=160)
    console.print(table)
    for note in notes:
        console.print(note)
