"""How figures are said: times, sizes, ratios, what a comparison came to. Pure; knows no file and no table."""

from __future__ import annotations

from benchmarks.bars import Bar, bar_of
from benchmarks.comparison import Cell, Comparison, Unit

WAYS = {"map": "one task an item", "chunks": "chunked by hand", "flat": "in one batch"}


def amount(value: float, unit: Unit) -> str:
    """A figure with its unit, to three digits: seconds below one as milliseconds."""
    if unit != "s":
        return f"{digits(value)} {unit}" if unit != "/s" else f"{digits(value)}/s"
    if value < 1e-4:
        return f"{digits(value * 1e6)} µs"
    return f"{digits(value * 1000)} ms" if value < 1 else f"{digits(value)} s"


def digits(value: float) -> str:
    """Three of them where it is 1 or more, in full where it is large; two where it is small."""
    if 0 < value < 0.1:
        return f"{value:.2g}"
    return f"{value:,.{0 if value >= 100 else 1 if value >= 10 else 2}f}"


def spread(cell: Cell | None, unit: Unit) -> str:
    """Median, smallest and largest; and from how many items it is scaled. A dash for what was not run."""
    if cell is None:
        return "–"
    text = amount(cell.median, unit)
    if len(cell.values) > 1:
        text += f" ({amount(cell.low, unit)} to {amount(cell.high, unit)})"
    if cell.scaled_from is not None:
        text += f", scaled from {cell.scaled_from:,}"
    return text


def beside(one: Comparison) -> str:
    """The peer and how it is used."""
    return ", ".join(filter(None, [one.name or one.peer, WAYS.get(one.way, "")]))


def ratio(one: Comparison) -> str:
    """How flowq stands to the peer, in the words of its bar."""
    if one.ratio is None:
        return "–"
    bar = bar_of(one)
    if bar is not None and bar.kind == "times as long":
        return f"{digits(1 / one.ratio)} × as long"
    return f"{digits(one.ratio)} ×"


def share(one: Comparison) -> str:
    """How much of the ideal flowq reached; empty where there is none."""
    return "" if one.of_ideal is None else f"{one.of_ideal:.0%}"


def verdict(one: Comparison) -> tuple[str, str]:
    """The bar and whether it is met; two empty texts where there is none."""
    bar: Bar | None = bar_of(one)
    if bar is None:
        return "", ""
    met = bar.met(one)
    return bar.text(one), "not measured" if met is None else "yes" if met else "**NO**"


def line(one: Comparison) -> str:
    """A comparison in one line of a terminal."""
    other = one.why if one.other is None else spread(one.other, one.unit)
    parts = [one.workload, f"flowq {spread(one.flowq, one.unit)}", f"{beside(one)}: {other}", ratio(one)]
    return " | ".join([*parts, *filter(None, verdict(one))])
