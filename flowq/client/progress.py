"""Displays of batches' progress: bars in a terminal or notebook, or a line every few seconds. Reads counters only.

One display serves all batches that a process waits for at the same time, in any threads.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Live
from rich.table import Column
from rich.text import Text

from flowq.batch.executor import Progress
from flowq.engine.patience import TROUBLE

Mode = Literal["auto", "bar", "lines", "off"]

LINE_EVERY_S = 5.0
ROOMY = 110  # columns; from this width on, everything is shown
STYLES = {"ok": "green", "fallback": "yellow", "failed": "red", "parked": "blue"}


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


class Bars(Display):
    """A bar per batch, with rate, time left, and counts of outcomes."""

    every_s = 0.2

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._lock = threading.Lock()
        self._live: Live | None = None
        self._shown = 0

    @contextmanager
    def of(self, watched: Watched) -> Iterator[Drawing]:
        """See Display."""
        live = self._enter()
        try:
            task = live.add_task(watched.label, total=None, now=None)
            bar = _Bar(live, task, watched)
            yield bar
            bar.update()
        finally:
            self._leave()

    def _enter(self) -> Live:
        with self._lock:
            if self._live is None:
                self._live = Live(*_columns(self._console.width), console=self._console)
                self._live.start()
            self._shown += 1
            return self._live

    def _leave(self) -> None:
        with self._lock:
            self._shown -= 1
            if self._shown == 0 and self._live is not None:
                self._live.stop()
                self._live = None


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


class _Bar:
    def __init__(self, live: Live, task: TaskID, watched: Watched) -> None:
        self._live, self._task, self._watched = live, task, watched

    def update(self) -> None:
        with suppress(*TROUBLE):  # while Redis is away the bar keeps its last counters
            now = self._watched.progress()
            self._live.update(self._task, completed=now.done, total=now.total, now=now)


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


def display(mode: Mode = "auto", console: Console | None = None) -> Display:
    """The display for *mode*; "auto" shows bars if stderr is a terminal or in a notebook, else nothing.

    Args:
        console: where bars are drawn; other output on it appears above them.
    """
    if mode == "auto":
        mode = "bar" if Console(stderr=True).is_terminal or Console().is_jupyter else "off"
    if mode == "bar":
        return Bars(console)
    return Lines() if mode == "lines" else Display()


def line_of(now: Progress) -> str:
    """Progress as one line: ``1,200/10,000 · 430/s · 1,190 ok · 10 failed · 20 s left``."""
    parts = [count_of(now), rate_text(now.rate), figures(now).plain]
    if now.state not in ("running", "succeeded"):
        parts.append(now.state)
    elif now.eta_s is not None and now.state == "running":
        parts.append(f"{span_text(now.eta_s)} left")
    return " · ".join(part for part in parts if part)


def count_of(now: Progress) -> str:
    """``1,200/10,000``; ``1,200`` while the total is unknown."""
    return f"{now.done:,}" if now.total is None else f"{now.done:,}/{now.total:,}"


def figures(now: Progress, *, but: str = "") -> Text:
    """Counts by outcome: ``1,790 ok · 12 fallback · 1 failed``; without the one named *but*."""
    parts = [
        Text(f"{getattr(now, name):,} {name}", style)
        for name, style in STYLES.items()
        if name != but and (name == "ok" or getattr(now, name))
    ]
    return Text(" · ").join(parts)


def rate_text(rate: float) -> str:
    """Items per unit of time: ``1,234/s``, ``3.2/s``, ``12/min``."""
    if rate >= 10:
        return f"{rate:,.0f}/s"
    if rate >= 1:
        return f"{rate:.1f}/s"
    if rate * 60 >= 1:
        return f"{rate * 60:.0f}/min"
    return f"{rate * 3600:.0f}/h" if rate > 0 else ""


def span_text(seconds: float) -> str:
    """A duration: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for unit, name, smaller, smaller_name in ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= unit:
            rest = whole % unit // smaller
            return f"{whole // unit} {name}" + (f" {rest} {smaller_name}" if rest else "")
    return f"{whole} s"


class _Figures(ProgressColumn):
    """Count, rate, and counts by outcome."""

    max_refresh = 0.2

    def __init__(self, *, compact: bool) -> None:
        super().__init__(Column(no_wrap=True))
        self._compact = compact

    def render(self, task: Task) -> Text:
        now: Progress | None = task.fields["now"]
        if now is None:
            return Text("")
        running = now.state in ("running", "paused")
        speed = task.speed or now.rate if running else now.rate
        what = figures(now, but="ok" if running and self._compact else "")
        parts = [Text(count_of(now)), Text(rate_text(speed), "cyan"), what]
        if now.state not in ("running", "succeeded"):
            parts.append(Text(now.state, "bold red" if now.state == "failed" else "bold yellow"))
        return Text(" · ", no_wrap=True).join(part for part in parts if part.plain)


class _Left(ProgressColumn):
    """The time left, while the batch runs."""

    max_refresh = 0.5

    def render(self, task: Task) -> Text:
        now: Progress | None = task.fields["now"]
        if now is None or now.state != "running" or now.total is None or now.done >= now.total:
            return Text("")
        left_s = task.time_remaining if task.time_remaining is not None else now.eta_s
        return Text("" if left_s is None else f"{span_text(left_s)} left", "dim", no_wrap=True)


def _columns(width: int) -> list[ProgressColumn]:
    narrow = width < ROOMY
    return [
        SpinnerColumn(finished_text=" "),
        TextColumn(
            "{task.description}", markup=False, table_column=Column(no_wrap=True, max_width=max(12, width // 5))
        ),
        BarColumn(bar_width=max(8, min(30, width - 72))),
        _Figures(compact=narrow),
        *([] if narrow else [TimeElapsedColumn()]),
        _Left(),
    ]
