"""Upright bars side by side, each of one or several parts: a histogram, or something over time."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

from flowq.html.svg import LETTER_PX, WIDTH, opened, round_step

LEFT, RIGHT, TOP, BOTTOM = 56, 16, 28, 44


@dataclass(frozen=True, slots=True)
class Column:
    """One bar: its parts from the bottom up, each a value and its CSS class; and what hovering says."""

    parts: Sequence[tuple[float, str]]
    title: str

    @property
    def height(self) -> float:
        return sum(value for value, _ in self.parts)


Tick = tuple[float, str]
"""A place on the x axis, counted in columns, and the text under it."""


def columns(
    bars: Sequence[Column],
    *,
    label: str,
    ticks: Iterable[Tick],
    x_title: str,
    y_title: str = "",
    values: bool = False,
    cuts: Iterable[Tick] = (),
    height: int = 260,
) -> str:
    """The chart.

    Args:
        bars: from left to right.
        label: for screen readers.
        y_title: what the height says; "": no scale on the left, then *values* stand above the columns.
        cuts: where something was left out, and what.
    """
    most = max((bar.height for bar in bars), default=0) or 1
    scale = (height - TOP - BOTTOM) / most
    wide = (WIDTH - LEFT - RIGHT) / max(1, len(bars))
    gap = 1 if wide > 6 else 0.25 if wide > 2 else 0
    floor = height - BOTTOM
    parts = [opened(WIDTH, height, label), *(_grid(most, scale, floor, y_title) if y_title else [])]
    for place, bar in enumerate(bars):
        x, y = LEFT + place * wide, float(floor)
        if not bar.height:
            continue
        parts.append(f'<g class="column"><title>{escape(bar.title)}</title>')
        for value, css in bar.parts:
            if value:
                tall = value * scale
                y -= tall
                parts.append(_rect(x + gap, y, wide - 2 * gap, tall, css, rx=2 if wide > 12 else 0))
        if values:
            parts.append(f'<text class="value mid" x="{x + wide / 2:.1f}" y="{y - 6:.1f}">{bar.height:,.0f}</text>')
        parts.append("</g>")
    parts += _ticks(ticks, wide, floor)
    for moment, words in cuts:
        at = LEFT + moment * wide
        line = f'<line class="cut" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{floor}">'
        parts.append(f"{line}<title>{escape(words)}</title></line>")
    parts.append(f'<line class="base" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>')
    parts.append(f'<text class="axis mid" x="{(LEFT + WIDTH - RIGHT) / 2}" y="{height - 6}">{escape(x_title)}</text>')
    return "".join([*parts, "</svg>"])


def histogram(counts: Sequence[int], groups: Sequence[str], *, step: int, unit: str, x_title: str) -> str:
    """``counts[i]`` things from ``i * step`` up, coloured by ``groups[i]``."""
    bars = [
        Column([(count, group)], f"{count:,} {unit}: {place * step} to {(place + 1) * step}")
        for place, (count, group) in enumerate(zip(counts, groups, strict=True))
    ]
    ticks = [(place, str(place * step)) for place in range(0, len(counts) + 1, 2)]
    return columns(bars, label=f"{unit} by {x_title}", ticks=ticks, x_title=x_title, values=True)


def _rect(x: float, y: float, wide: float, tall: float, css: str, rx: int) -> str:
    rounded = f' rx="{rx}"' if rx else ""
    return f'<rect class="{css}" x="{x:.1f}" y="{y:.1f}" width="{wide:.2f}" height="{tall:.1f}"{rounded}/>'


def _grid(most: float, scale: float, floor: int, y_title: str) -> list[str]:
    step = round_step(most, 4)
    lines = [f'<text class="axis" x="{LEFT - 48}" y="14">{escape(y_title)}</text>']
    for number in range(1, int(most / step) + 1):
        value = number * step
        y = floor - value * scale
        lines.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        lines.append(f'<text class="tick end" x="{LEFT - 8}" y="{y + 4:.1f}">{_number(value)}</text>')
    return lines


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1 else f"{value:g}"


def _ticks(ticks: Iterable[Tick], wide: float, floor: int) -> list[str]:
    """Texts under the axis; one that would touch its neighbour is left out."""
    texts: list[str] = []
    free_from = 0.0
    for place, words in ticks:
        x = LEFT + place * wide
        half = LETTER_PX * len(words) / 2
        if x - half >= free_from and x + half <= WIDTH:
            texts.append(f'<text class="tick mid" x="{x:.1f}" y="{floor + 18}">{escape(words)}</text>')
            free_from = x + half + 8
    return texts
