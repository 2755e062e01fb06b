"""The bars flowq is held to, as data, and whether a comparison meets its own. Knows no system and measures nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.comparison import Comparison

Kind = Literal["times as fast", "times as long", "not behind", "limit"]


@dataclass(frozen=True)
class Bar:
    """One bar.

    Attributes:
        kind: ``times as fast``: at least *value* times; ``times as long``: at most *value* times; ``not behind``: not
            slower than the peer, but where the spreads of both overlap; ``limit``: the comparison's own limit.
    """

    kind: Kind
    value: float = 1.0

    def met(self, one: Comparison) -> bool | None:
        """Whether *one* meets it. None: it could not be measured."""
        if one.flowq is None:
            return None
        if self.kind == "limit":
            assert one.limit is not None
            return one.flowq.median >= one.limit if one.unit == "/s" else one.flowq.median <= one.limit
        if one.ratio is None or one.other is None:
            return None
        if self.kind == "times as long":
            return 1 / one.ratio <= self.value
        if self.kind == "not behind":
            overlap = one.flowq.high >= one.other.low if one.unit == "/s" else one.flowq.low <= one.other.high
            return one.ratio >= 1.0 or overlap
        return one.ratio >= self.value

    def text(self, one: Comparison) -> str:
        """How the table says it."""
        if self.kind == "limit":
            return f"{'≥' if one.unit == '/s' else '≤'} {one.limit:,.4g} {one.unit}"
        if self.kind == "not behind":
            return "not behind"
        sign = "≥" if self.kind == "times as fast" else "≤"
        return f"{sign} {self.value:,g} × {'as fast' if self.kind == 'times as fast' else 'as long'}"


NOT_BEHIND = Bar("not behind")
W3 = ("W3-10ms", "W3-1ms", "W3-lognormal")
TASK_AN_ITEM = ("ray", "dask", "dramatiq", "huey")

# By workload, peer and way. "*" is any way or peer for which nothing else is said.
BARS: dict[tuple[str, str, str], Bar] = {
    ("W1-1M", "pool", "chunks"): Bar("times as fast", 0.5),
    ("W1-100k", "chord", "map"): Bar("times as fast", 1000),
    ("W1-100k", "group", "chunks"): Bar("times as fast", 20),
    **{("W1-100k", peer, "map"): Bar("times as fast", 150) for peer in TASK_AN_ITEM},
    **{("W1-100k", peer, "chunks"): NOT_BEHIND for peer in TASK_AN_ITEM},
    **{("W1-10k", "joblib", way): NOT_BEHIND for way in ("map", "chunks")},
    ("W2-200", "gather", ""): Bar("times as fast", 0.90),
    ("W2-2000", "gather", ""): Bar("times as fast", 0.75),
    **{(workload, "pool", "map"): Bar("times as fast", 0.95) for workload in W3},
    **{(workload, "*", "*"): NOT_BEHIND for workload in W3},
    ("W5-1", "chord", ""): Bar("times as long", 1.5),
    ("W5-10", "chord", ""): Bar("times as long", 0.4),
    ("W5-10", "ray", ""): Bar("times as long", 1.0),
    ("W6", "redis", "*"): Bar("times as fast", 0.4),
    **{(f"W7-{what}", "pocketflow", ""): Bar("times as fast") for what in ("flow-sync", "flow-async", "item-async")},
    ("W7-item-sync", "pocketflow", ""): Bar("times as long", 1.2),
    ("W8", "flowq", "flat"): Bar("times as long", 1.15),
}


def bar_of(one: Comparison) -> Bar | None:
    """The bar of a comparison; None: there is none."""
    if one.limit is not None:
        return Bar("limit")
    named = BARS.get((one.workload, one.peer, one.way)) or BARS.get((one.workload, one.peer, "*"))
    return named or BARS.get((one.workload, "*", "*"))
