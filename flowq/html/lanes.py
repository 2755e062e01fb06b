"""Lanes over time: a row for each of several workers, darker where it did more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from flowq.html.columns import Tick
from flowq.html.svg import WIDTH, end_of, opened

LEFT, RIGHT, ROW, BOTTOM = 230, 16, 24, 30
LEVELS = 4


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: its name, how much it did in each bin (all lanes have as many), and what hovering says."""

    name: str
    amounts: Sequence[float]
    title: str


def lanes(rows: Sequence[Lane], *, label: str, ticks: Iterable[Tick], cuts: Iterable[Tick] = ()) -> str:
    """The chart; the darkest is the most that any lane did in a bin. Neighbours of one shade are one rectangle."""
    height = ROW * len(rows) + BOTTOM
    floor = height - BOTTOM
    n = max((len(row.amounts) for row in rows), default=1)
    wide = (WIDTH - LEFT - RIGHT) / max(1, n)
    most = max((amount for row in rows for amount in row.amounts), default=0) or 1
    parts = [opened(WIDTH, height, label)]
    for number, row in enumerate(rows):
        y = number * ROW
        parts.append(
            f'<g><title>{escape(row.title)}</title><text class="name end" x="{LEFT - 12}" y="{y + 16}">'
            f'{escape(end_of(row.name, 32))}</text><rect class="lane" x="{LEFT}" y="{y + 3}" '
            f'width="{WIDTH - LEFT - RIGHT}" height="{ROW - 6}"/>'
        )
        at = 0
        for level, same in groupby(_level(amount / most) for amount in row.amounts):
            length = len(list(same))
            if level:
                place = f'x="{LEFT + at * wide:.1f}" y="{y + 3}" width="{length * wide:.1f}" height="{ROW - 6}"'
                parts.append(f'<rect class="busy b{level}" {place}/>')
            at += length
        parts.append("</g>")
    for bin_, words in ticks:
        parts.append(f'<text class="tick mid" x="{LEFT + bin_ * wide:.1f}" y="{floor + 18}">{escape(words)}</text>')
    for bin_, words in cuts:
        x = LEFT + bin_ * wide
        parts.append(f'<line class="cut" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{floor}"><title>{words}</title></line>')
    return "".join([*parts, "</svg>"])


def _level(share: float) -> int:
    """0 for next to nothing, 1 … LEVELS for the rest."""
    return 0 if share < 0.02 else min(LEVELS, int(share * LEVELS) + 1)
