"""Chooses the display of batches' progress. Imports rich, a tenth of what a worker would import, only to draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from flowq.client.progress import Display, Lines

if TYPE_CHECKING:
    from rich.console import Console

Mode = Literal["auto", "bar", "lines", "off"]


def display(mode: Mode = "auto", console: Console | None = None) -> Display:
    """The display for *mode*; "auto" shows bars if stderr is a terminal or in a notebook, else nothing.

    Args:
        console: where bars are drawn; other output on it appears above them.
    """
    if mode == "auto":
        from rich.console import Console

        mode = "bar" if Console(stderr=True).is_terminal or Console().is_jupyter else "off"
    if mode == "bar":
        from flowq.client.bars import Bars

        return Bars(console)
    return Lines() if mode == "lines" else Display()
