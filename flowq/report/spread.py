"""Spread: the distribution of item durations as a histogram on a logarithmic scale, of fixed size."""

from __future__ import annotations

import math
from collections.abc import Iterable

from flowq.client.wording import span_text

PER_DECADE = 20
FROM_S = 1e-8
DECADES = 13  # up to 1e5 s, a little more than a day


class Spread:
    """Item durations in bins of a twentieth of a decade, so that quantiles are accurate to 6 %."""

    def __init__(self) -> None:
        self._counts = [0] * (PER_DECADE * DECADES)
        self.n = 0
        self.max_s = 0.0
        self.sum_s = 0.0

    def add(self, seconds: Iterable[float]) -> None:
        """Count these durations."""
        for each in seconds:
            self.add_many(each, 1)

    def add_many(self, seconds: float, n: int) -> None:
        """Count *n* items of about this duration."""
        place = 0 if seconds <= FROM_S else int(PER_DECADE * math.log10(seconds / FROM_S))
        self._counts[min(place, len(self._counts) - 1)] += n
        self.n += n
        self.sum_s += seconds * n
        self.max_s = max(self.max_s, seconds)

    def quantile(self, share: float) -> float:
        """Approximate quantile: the seconds that *share* of the items do not exceed; 0.0 without items."""
        left = share * self.n
        for place, count in enumerate(self._counts):
            left -= count
            if count and left <= 0:
                return min(self.max_s, float(FROM_S * 10 ** ((place + 0.5) / PER_DECADE)))
        return self.max_s

    def columns(self, per_decade: int = 5) -> tuple[list[int], float]:
        """Coarser counts from the first to the last nonzero one, and the seconds at which the first begins."""
        fold = PER_DECADE // per_decade
        coarse = [sum(self._counts[at : at + fold]) for at in range(0, len(self._counts), fold)]
        there = [place for place, count in enumerate(coarse) if count]
        if not there:
            return [], FROM_S
        first, last = there[0], there[-1]
        return coarse[first : last + 1], FROM_S * 10 ** (first / per_decade)


def span(seconds: float) -> str:
    """The duration of an item as text: ``0.8 ms``, ``12 ms``, ``3.4 s``."""
    if seconds >= 10:
        return span_text(seconds)
    rounded = float(f"{seconds:.2g}")
    for unit, name in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if rounded >= unit:
            return f"{rounded / unit:.3g}\u00a0{name}"
    return "0\u00a0s" if rounded <= 0 else f"{rounded * 1e6:.1g}\u00a0µs"
