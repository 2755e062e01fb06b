"""The chart: a panel a workload, a line a peer, how many times as long as flowq it took. SVG for light and dark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from benchmarks.comparison import Comparison
from benchmarks.wording import amount, digits

PANELS = ("W1-100k", "W2-200", "W3-1ms", "W3-lognormal", "W4-64MiB", "W5-1", "W5-10", "W6")
COLUMNS = 2
WAYS = {"chunks": ", by hand"}

# Pixels.
PANEL_WIDTH, LABEL_WIDTH, FIGURE_WIDTH, LINE, HEAD, GAP, EDGE = 500, 190, 66, 19, 44, 26, 20
# The axis, of times as long: what lies outside is drawn at its end.
LEAST, MOST = 0.02, 20_000.0

STYLE = """
  .ground { fill: #ffffff } text { fill: #1f2328; font: 12px system-ui, sans-serif }
  .title { font-weight: 600; font-size: 13px } .quiet { fill: #59636e; font-size: 11px }
  .one { stroke: #0b7a75; stroke-width: 1.5 } .grid { stroke: #d1d9e0; stroke-width: 1 }
  .slower { stroke: #8c959f; fill: #59636e } .faster { stroke: #bc4c00; fill: #bc4c00 }
  .flowq { fill: #0b7a75 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .quiet { fill: #9198a1 }
    .one { stroke: #3fbdb5 } .grid { stroke: #2f353d }
    .slower { stroke: #656c76; fill: #9198a1 } .faster { stroke: #f0883e; fill: #f0883e } .flowq { fill: #3fbdb5 }
  }
"""


def draw(found: Iterable[Comparison]) -> str:
    """The whole picture."""
    by_workload: dict[str, list[Comparison]] = {key: [] for key in PANELS}
    for one in found:
        if one.workload in by_workload and one.unit == "s" and one.ratio is not None:
            by_workload[one.workload].append(one)
    panels = [ones for ones in by_workload.values() if ones]
    parts, top = [], EDGE + HEAD
    for first in range(0, len(panels), COLUMNS):
        row = panels[first : first + COLUMNS]
        parts += [panel(ones, EDGE + column * PANEL_WIDTH, top) for column, ones in enumerate(row)]
        top += max(height(ones) for ones in row) + GAP
    width = 2 * EDGE + COLUMNS * PANEL_WIDTH
    head = text(EDGE, EDGE + 8, "How many times as long as flowq the others take", "title") + text(
        EDGE,
        EDGE + 26,
        "2 slots on 2 cores; logarithmic; medians of interleaved runs; left of the line: faster than flowq",
        "quiet",
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {top}" role="img" '
        f'aria-label="flowq beside other systems">\n<style>{STYLE}</style>\n'
        f'<rect class="ground" width="{width}" height="{top}"/>\n{head}{"".join(parts)}</svg>\n'
    )


def panel(ones: Sequence[Comparison], left: float, top: float) -> str:
    """One workload: flowq's line at 1, the others below each other, the fastest first."""
    parts = [text(left, top + 12, ones[0].what, "title")]
    bottom = top + height(ones)
    for power in range(5):
        at = position(left, 10.0**power)
        kind = "one" if power == 0 else "grid"
        parts.append(f'<line class="{kind}" x1="{at:.1f}" x2="{at:.1f}" y1="{top + 24}" y2="{bottom - 4}"/>\n')
    flowq_s = sorted(one.flowq.median for one in ones if one.flowq is not None)[len(ones) // 2]
    parts.append(text(left, top + 36, "flowq", "flowq"))
    parts.append(text(position(left, 1) + 8, top + 36, amount(flowq_s, "s"), "flowq"))
    parts.append(f'<circle class="flowq" cx="{position(left, 1):.1f}" cy="{top + 32}" r="4"/>\n')
    for number, one in enumerate(sorted(ones, key=lambda one: one.ratio or 0.0)):
        parts.append(stem(one, left, top + 24 + LINE * (number + 1)))
    return "".join(parts)


def stem(one: Comparison, left: float, top: float) -> str:
    """A line from 1 to the peer's ratio."""
    assert one.ratio is not None
    assert one.other is not None
    kind = "faster" if one.ratio < 1 else "slower"
    start, end = position(left, 1), position(left, one.ratio)
    middle = top + LINE / 2
    name = one.other.system + WAYS.get(one.way, "")
    return (
        text(left, middle + 4, name)
        + f'<line class="{kind}" x1="{start:.1f}" x2="{end:.1f}" y1="{middle}" y2="{middle}" stroke-width="2"/>\n'
        + f'<circle class="{kind}" cx="{end:.1f}" cy="{middle}" r="3.5"/>\n'
        + text(max(start, end) + 8, middle + 4, f"× {digits(one.ratio)}", "quiet")
    )


def position(left: float, times: float) -> float:
    """Where on the axis of a panel."""
    share = math.log(min(MOST, max(LEAST, times)) / LEAST) / math.log(MOST / LEAST)
    return left + LABEL_WIDTH + share * (PANEL_WIDTH - LABEL_WIDTH - FIGURE_WIDTH)


def height(ones: Sequence[Comparison]) -> int:
    return 24 + LINE * (len(ones) + 1) + 4


def text(x: float, y: float, words: str, kind: str = "") -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>\n'
