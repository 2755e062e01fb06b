"""The demo's output: a table, an HTML page, a JSON line per outcome, and a fingerprint of all records."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from flowq.demo.complexity import rank
from flowq.demo.page import render_page
from flowq.demo.source import shown_path

_RANK_STYLES = {"A": "green", "B": "green", "C": "yellow", "D": "yellow", "E": "red", "F": "bold red"}

# The fields of an outcome that are the same in every run; times and workers may differ.
_LASTING = ("path", "status", "error", "attempts")

Record = Mapping[str, Any]
"""One analysis, as `flowq.demo.audit.analyse` returns it."""

Problem = Mapping[str, Any]
"""One item that has no analysis: path, status, error (text), attempts."""


def worst_files(records: Iterable[Record], n: int = 15) -> list[Record]:
    """The `n` records with the most complex functions, worst first; ties by maintainability, then by path."""

    def badness(record: Record) -> tuple[int, float, str]:
        return -record["complexity"]["max"], record["maintainability"]["index"], record["path"]

    return sorted(records, key=badness)[:n]


def worst_table(records: Iterable[Record], n: int = 15) -> Table:
    """The worst files for the terminal, one row per file.

    "longest" counts lines, "MI" is the maintainability index, "copies" are pairs of near-duplicate functions.
    """
    table = Table(
        title="The files with the most complex functions", title_justify="left", box=SIMPLE_HEAD, pad_edge=False
    )
    table.add_column("file", overflow="fold")
    table.add_column("function", overflow="fold")
    for title in ("complexity", "longest", "MI", "copies", "no docs"):
        table.add_column(title, justify="right")
    for record in worst_files(records, n):
        complexity, docstrings = record["complexity"], record["docstrings"]
        worst = complexity["worst"][0] if complexity["worst"] else {"name": "", "line": 0}
        letter = rank(complexity["max"])
        table.add_row(
            Text(shown_path(record["path"])),
            Text(f"{worst['name']}:{worst['line']}" if worst["name"] else "–"),
            Text(f"{complexity['max']} {letter}", style=_RANK_STYLES[letter]),
            f"{record['longest']['lines']:,}",
            f"{record['maintainability']['index']:.0f}",
            str(record["duplicates"]["pairs"]),
            f"{docstrings['missing']} of {docstrings['public']}",
        )
    return table


def write_html(
    path: str | Path, records: Sequence[Record], problems: Sequence[Problem], figures: Mapping[str, Any]
) -> None:
    """Write the report as one self-contained HTML page: no script, no font, no network.

    Args:
        path: the file to write; its folder exists.
        records: the analyses, in item order.
        problems: the items without an analysis, in item order.
        figures: the batch's figures by name (items, ok, fallback, failed, items_per_s, seconds, slots, cpu_s, …);
            others are shown under their own name.
    """
    page = render_page(records, problems, figures, worst_files(records), fingerprint(records, problems))
    Path(path).write_text(page, encoding="utf-8", errors="backslashreplace")


def write_jsonl(path: str | Path, outcomes: Iterable[Mapping[str, Any]]) -> int:
    """Write one line of JSON per outcome, in order; returns their number. Unknown types are written as text."""
    written = 0
    with Path(path).open("w", encoding="ascii") as lines:
        for outcome in outcomes:
            lines.write(json.dumps(outcome, default=str) + "\n")
            written += 1
    return written


def fingerprint(records: Iterable[Record], problems: Iterable[Problem]) -> str:
    """SHA-256 (hex) of the results that are equal for all runs on the same files, even if workers were killed.

    It includes every figure of every record, the path, status, error and attempts of every problem, and the order, but
    no times and workers. Paths are relative to the standard library.
    """
    lasting = [
        [{**record, "path": shown_path(record["path"])} for record in records],
        [{**{name: problem[name] for name in _LASTING}, "path": shown_path(problem["path"])} for problem in problems],
    ]
    return hashlib.sha256(json.dumps(lasting, sort_keys=True).encode()).hexdigest()
