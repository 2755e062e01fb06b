"""The sections of the demo's page, each made from its records. page.py puts them in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from flowq.demo.complexity import RANKS, rank
from flowq.demo.maintainability import maintainability_rank
from flowq.demo.source import shown_path
from flowq.html.charts import Bar, Point, bars, scatter
from flowq.html.columns import histogram
from flowq.html.markup import badge, code, file_path, letter, section, table, tile, tiles

Records = Sequence[Mapping[str, Any]]

_ROWS = 15
_LABELLED = 40  # number of files at the top of the scatter plot labelled with their name, if it fits
_INDEX_STEP = 5
_RANK_WORDS = ("up to 5", "up to 10", "up to 20", "up to 30", "up to 40", "more")


def length_against_complexity(records: Records) -> str:
    """The scatter plot of all files with a function."""
    points = [_point(record) for record in records if record["complexity"]["worst"]]
    legend = "".join(
        f'<span class="key mi-{rank}">{words} ({rank})</span>'
        for rank, words in (("A", "easy to maintain"), ("B", "moderate"), ("C", "hard"))
    )
    chart = scatter(
        points,
        x_title="lines of code in the file",
        y_title="complexity of its most complex function",
        labelled=_LABELLED,
    )
    return section(
        "Length against complexity",
        "One dot a file: its length, and the cyclomatic complexity of its worst function. Both scales are logarithmic.",
        f'<p class="legend">{legend}</p>{chart}',
    )


def _point(record: Mapping[str, Any]) -> Point:
    path, lines, worst = shown_path(record["path"]), record["lines"]["code"], record["complexity"]["worst"][0]
    index = record["maintainability"]["index"]
    return Point(
        x=lines,
        y=worst["complexity"],
        group=f"mi-{record['maintainability']['rank']}",
        title=f"{path}: {lines:,} lines of code, {worst['name']} has complexity {worst['complexity']}, "
        f"maintainability {index:.0f}",
        label=path,
    )


def complex_functions(records: Records) -> str:
    """The worst functions as bars, and the number of functions by rank."""
    found = [(each, shown_path(record["path"])) for record in records for each in record["complexity"]["worst"]]
    found.sort(key=lambda pair: (-pair[0]["complexity"], pair[1], pair[0]["line"]))
    rows = [
        Bar(each["name"], path, each["complexity"], f"{path}:{each['line']} {each['name']}, {each['lines']} lines")
        for each, path in found[:_ROWS]
    ]
    totals = [sum(record["complexity"]["ranks"][name] for record in records) for name in RANKS]
    every = sum(totals) or 1
    ranks = tiles(
        (
            tile(f"{count:,}", f"{letter(name)} {words} · {100 * count / every:.1f}&nbsp;%")
            for count, name, words in zip(totals, RANKS, _RANK_WORDS, strict=True)
        ),
        css="small",
    )
    return section(
        "The most complex functions",
        "McCabe's number: the independent ways through a function. At most three functions of a file.",
        f"{bars(rows)}<h3>All functions by complexity</h3>{ranks}",
    )


def maintainability(records: Records) -> str:
    """The histogram of the maintainability index."""
    counts = [0] * (100 // _INDEX_STEP)
    for record in records:
        counts[min(int(record["maintainability"]["index"]) // _INDEX_STEP, len(counts) - 1)] += 1
    groups = [f"mi-{maintainability_rank((place + 0.5) * _INDEX_STEP)}" for place in range(len(counts))]
    return section(
        "Maintainability",
        "Files by maintainability index, 0 (worst) to 100. A file without an operator, such as an empty "
        f"{code('__init__.py')}, counts as 100.",
        histogram(counts, groups, step=_INDEX_STEP, unit="files", x_title="maintainability index"),
    )


def worst_files(worst: Records) -> str:
    """The terminal's table, plus the mean complexity."""
    rows = [
        [
            file_path(shown_path(record["path"])),
            code(*(each["name"] for each in record["complexity"]["worst"][:1])),
            f"{record['complexity']['max']} {letter(rank(record['complexity']['max']))}",
            f"{record['complexity']['mean']:.1f}",
            f"{record['longest']['lines']:,}",
            f"{record['maintainability']['index']:.0f}",
            f"{record['duplicates']['pairs']:,}",
            f"{record['docstrings']['missing']} of {record['docstrings']['public']}",
        ]
        for record in worst
    ]
    titles = ["file", "function", "complexity", "mean", "longest", "MI", "copies", "undocumented"]
    return section(
        "The files with the most complex functions",
        "Mean: complexity of all the file's functions. Longest: lines of its longest function. MI: maintainability "
        "index. Copies: pairs of near-duplicate functions. Undocumented: public names without a docstring.",
        table(titles, rows, numbers=range(2, 8)),
    )


def near_duplicates(records: Records) -> str:
    """The largest of the pairs listed in the records."""
    found = [(each, shown_path(record["path"])) for record in records for each in record["duplicates"]["first"]]
    found.sort(key=lambda pair: (-pair[0]["lines"] * pair[0]["similarity"], pair[1], pair[0]["line"]))
    rows = [
        [
            file_path(path),
            code(each["name"], each["other"]),
            f"{each['line']}<br>{each['other_line']}",
            f"{each['lines']}",
            f"{100 * each['similarity']:.0f}&nbsp;%",
        ]
        for each, path in found[:_ROWS]
    ]
    pairs = sum(record["duplicates"]["pairs"] for record in records)
    return section(
        "The largest near-duplicates",
        f"{pairs:,} pairs of functions of one file share at least 80&nbsp;% of their runs of five words, where any two "
        "variables count as equal. These are the longest.",
        table(["file", "functions", "line", "lines", "alike"], rows, numbers=range(2, 5)),
    )


def not_analysed(problems: Records) -> str:
    """The items without an analysis; "" if there are none."""
    if not problems:
        return ""
    rows = [
        [
            file_path(shown_path(each["path"])),
            badge(each["status"]),
            escape(str(each["error"])),
            f"{each['attempts']}",
        ]
        for each in problems
    ]
    return section(
        "Not analysed",
        "Files that this Python cannot decode or parse. Each is an outcome of its own, and no other file suffered.",
        table(["file", "outcome", "error", "attempts"], rows, numbers={3}),
        anchor="problems",
    )
