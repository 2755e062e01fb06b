"""Points on two logarithmic scales, and bars, as SVG text. Colours are classes of page.css.

They know nothing of what they show: data and words go in, markup comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from flowq.html.svg import LETTER_PX, end_of, opened


@dataclass(frozen=True, slots=True)
class Point:
    """One dot: its place, its group (a CSS class), what hovering says, and a short label for when it stands out."""

    x: float
    y: float
    group: str
    title: str
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """One horizontal bar. `note` stands before its name in a quieter colour."""

    name: str
    note: str
    value: int
    title: str


def scatter(points: Sequence[Point], *, x_title: str, y_title: str, labelled: int) -> str:
    """Dots over two logarithmic axes; the `labelled` highest get their label where it fits. Values are at least 1."""
    width, height, left, right, top, bottom = 1040, 540, 48, 16, 30, 48
    x_most = max((point.x for point in points), default=10)
    y_most = max((point.y for point in points), default=10)
    place_x = _log_scale(x_most * 1.25, left, width - right)
    place_y = _log_scale(y_most * 1.25, height - bottom, top)
    parts = [opened(width, height, f"{y_title} against {x_title}, one dot a file")]
    for tick in _log_ticks(x_most):
        x = place_x(tick)
        parts.append(f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{height - bottom}"/>')
        parts.append(f'<text class="tick mid" x="{x:.1f}" y="{height - bottom + 18}">{tick:,}</text>')
    for tick in _log_ticks(y_most):
        y = place_y(tick)
        parts.append(f'<line class="grid" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(f'<text class="tick end" x="{left - 8}" y="{y + 4:.1f}">{tick:,}</text>')
    parts.append(f'<text class="axis mid" x="{(left + width - right) / 2}" y="{height - 8}">{escape(x_title)}</text>')
    parts.append(f'<text class="axis" x="{left - 8}" y="14">{escape(y_title)}</text>')
    highest = sorted(points, key=lambda point: (-point.y, -point.x, point.label))
    for point in reversed(highest):
        parts.append(
            f'<circle class="dot {point.group}" cx="{place_x(point.x):.1f}" cy="{place_y(point.y):.1f}" r="3.5">'
            f"<title>{escape(point.title)}</title></circle>"
        )
    marks = [(place_x(point.x), place_y(point.y), point.label) for point in highest]
    parts += _labels(marks, labelled, left=left, right=width - right)
    return "".join([*parts, "</svg>"])


def bars(rows: Sequence[Bar]) -> str:
    """Horizontal bars from zero, longest where the caller put it, each with its value at the end."""
    width, row_px, left = 1040, 30, 430
    most = max((row.value for row in rows), default=1)
    parts = [opened(width, row_px * len(rows) + 4, "The most complex functions")]
    for place, row in enumerate(rows):
        y = place * row_px
        length = (width - left - 48) * row.value / most
        parts.append(
            f'<g class="bar"><title>{escape(row.title)}</title>'
            f'<text class="name end" x="{left - 12}" y="{y + 19}"><tspan class="note">{escape(end_of(row.note, 32))} '
            f"</tspan>{escape(end_of(row.name, 34))}</text>"
            f'<path d="M{left} {y + 4}h{length - 4:.1f}a4 4 0 0 1 4 4v12a4 4 0 0 1 -4 4h-{length - 4:.1f}z"/>'
            f'<text class="value" x="{left + length + 8:.1f}" y="{y + 19}">{row.value:,}</text></g>'
        )
    return "".join([*parts, "</svg>"])


def _log_scale(most: float, start: float, end: float) -> Callable[[float], float]:
    span = math.log(max(most, 10)) + 0.15  # a little air, so that a dot at 1 does not sit on the axis
    return lambda value: start + (end - start) * (math.log(value) + 0.15) / span


def _log_ticks(most: float) -> list[int]:
    return [digit * 10**power for power in range(7) for digit in (1, 2, 5) if digit * 10**power <= most]


def _labels(marks: Sequence[tuple[float, float, str]], most: int, *, left: float, right: float) -> list[str]:
    """Text beside or above each of the first `most` marks, if it covers no mark and no earlier text there."""
    parts: list[str] = []
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y, _ in marks]
    for x, y, label in marks[:most]:
        wide = LETTER_PX * len(label)
        for start, middle in ((x + 7, y), (x - 7 - wide, y), (x - wide / 2, y - 13)):
            box = (start, middle - 6, start + wide, middle + 6)
            if box[0] >= left and box[2] <= right and not any(_meet(box, other) for other in taken):
                taken.append(box)
                place = f'x="{start + wide / 2:.1f}" y="{middle + 4:.1f}"'
                parts.append(f'<text class="label mid" {place}>{escape(label)}</text>')
                break
    return parts


def _meet(one: tuple[float, float, float, float], other: tuple[float, float, float, float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
