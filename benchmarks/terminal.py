"""The table in a terminal. The one of the page: page.py."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.comparison import Comparison
from benchmarks.page import HEAD, order, rows, score

WIDTH = 200


def show(found: Sequence[Comparison]) -> None:
    """Print it."""
    table = Table(title="flowq beside its peers: median (smallest to largest) of interleaved runs")
    for column in HEAD:
        table.add_column(column)
    for line in rows(sorted(found, key=order)):
        table.add_row(*(cell.replace("**", "") for cell in line))
    console = Console(width=WIDTH)
    console.print(table)
    console.print(score(found))
