"""Displays of batches' progress: bars (bars.py), or a line every few seconds. They read counters only.

One display serves all batches that a process waits for at the same time, in any threads.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol, TextIO

from flowq.batch.executor import Progress
from flowq.client.wording import line_of
from flowq.engine.patience import TROUBLE

LINE_EVERY_S = 5.0


class Watched(Protocol):
    """What a display shows the progress of."""

    @property
    def label(self) -> str: ...
    def progress(self) -> Progress: ...


class Drawing(Protocol):
    """One batch on a display."""

    def update(self) -> None:
        """Show the current counters."""
        ...


class Display:
    """Shows nothing. ``with display.of(handle) as drawing: … drawing.update()``.

    Attributes:
        every_s: seconds between updates; None: never.
    """

    every_s: float | None = None

    @contextmanager
    def of(self, watched: Watched) -> Iterator[Drawing]:
        """Show *watched* until the block ends; if it ends without an exception, its final counters too."""
        yield _Nothing()


class Lines(Display):
    """A line per batch every five seconds, and one at its end: for logs."""

    every_s = 1.0

    def __init__(self, stream: TextIO | None = None, every_s: float = LINE_EVERY_S) -> None:
        self._stream = stream or sys.stderr
        self._line_every_s = every_s

    @contextmanager
    def of(self, watched: Watched) -> Iterator[Drawing]:
        """See Display."""
        line = _Line(self._stream, watched, self._line_every_s)
        yield line
        line.write()


class _Nothing:
    def update(self) -> None:
        pass


class _Line:
    def __init__(self, stream: TextIO, watched: Watched, every_s: float) -> None:
        self._stream, self._watched, self._every_s = stream, watched, every_s
        self._next_at = time.monotonic() + every_s

    def update(self) -> None:
        if time.monotonic() >= self._next_at:
            self.write()

    def write(self) -> None:
        self._next_at = time.monotonic() + self._every_s
        with suppress(*TROUBLE):
            line = line_of(self._watched.progress())
            self._stream.write(f"{self._watched.label}: {line}\n")
            self._stream.flush()
