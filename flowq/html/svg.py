"""What all charts share: the opening tag, the length of a text, round steps for a scale."""

from __future__ import annotations

import math
from html import escape

WIDTH = 1040
LETTER_PX = 6.4  # a 12 px letter of a system font, on average; good enough to keep labels apart


def opened(width: int, height: int, label: str) -> str:
    """The tag that begins a chart; *label* is what a screen reader says."""
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'


def end_of(text: str, most: int) -> str:
    """The end of a long name, which says more than its beginning."""
    return text if len(text) <= most else "…" + text[1 - most :]


def round_step(most: float, steps: int) -> float:
    """The smallest of 1, 2, 5, 10, 20 … (and their fractions) that divides *most* into at most *steps*."""
    if most <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(most / steps))
    return next(digit * power for digit in (1, 2, 5, 10) if most / (digit * power) <= steps)
