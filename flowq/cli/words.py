"""Texts cut to the width of a line."""

from __future__ import annotations


def one_line(text: str, most: int = 300) -> str:
    """The beginning of *text*, in one line of at most *most* letters."""
    flat = " ".join(text[: 4 * most].split())
    return flat if len(flat) <= most and len(text) <= 4 * most else flat[: most - 1] + "…"
