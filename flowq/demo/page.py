"""The demo's report as one HTML page: header and footer. The sections are sections.py, the styles flowq/html."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from flowq.demo import sections
from flowq.html.frame import framed
from flowq.html.markup import code, figure, tile, tiles

_LABELS = {"items_per_s": "items / s", "cpu_s": "CPU seconds", "losses": "workers lost"}
_BAD = frozenset({"failed", "cancelled"})


def render_page(
    records: Sequence[Mapping[str, Any]],
    problems: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Any],
    worst: Sequence[Mapping[str, Any]],
    fingerprint: str,
) -> str:
    """The whole page. `worst` are the records for the table of files."""
    parts = [
        _head(records, problems),
        _figures(figures),
        sections.length_against_complexity(records),
        sections.complex_functions(records),
        sections.maintainability(records),
        sections.worst_files(worst),
        sections.near_duplicates(records),
        sections.not_analysed(problems),
        _foot(fingerprint),
    ]
    return framed("Standard library audit", parts)


def _head(records: Sequence[Mapping[str, Any]], problems: Sequence[Mapping[str, Any]]) -> str:
    lines = sum(record["lines"]["code"] for record in records)
    functions = sum(record["functions"] for record in records)
    tokens = sum(record["tokens"] for record in records)
    unread = f' <a href="#problems">{len(problems):,} more could not be analysed.</a>' if problems else ""
    return (
        "<header><h1>Standard library audit</h1>"
        f"<p>{platform.python_implementation()} {platform.python_version()}: {len(records):,} files, "
        f"{lines:,} lines of code, {functions:,} functions, {tokens:,} tokens.{unread}</p></header>"
    )


def _figures(figures: Mapping[str, Any]) -> str:
    return tiles(
        tile(
            figure(value),
            escape(_LABELS.get(name, name.replace("_", " "))),
            css="alarm" if name in _BAD and value else "",
        )
        for name, value in figures.items()
    )


def _foot(fingerprint: str) -> str:
    return (
        "<footer><p>Fingerprint of the results, the same for every run over the same files: "
        f"{code(fingerprint)}</p>"
        "<p>Cyclomatic complexity: McCabe 1976. Volume: Halstead 1977. Maintainability index: Coleman, Ash, Lowther "
        "and Oman 1994, counted and scaled as radon 6 does. Near-duplicates: exact Jaccard similarity.</p></footer>"
    )
