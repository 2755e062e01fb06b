"""Bars for a terminal or notebook: one per running batch, drawn by rich."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Live
from rich.table import Column
from rich.text import Text

from flowq.batch.executor import UNENDED, Progress
from flowq.client.progress import Display, Drawing, Watched
from flowq.client.wording import count_of, counts, rate_text, span_text
from flowq.engine.patience import TROUBLE

ROOMY = 110  # columns; from this width on, everything is shown
STYLES = {"ok": "green", "fallback": "yellow", "failed": "red", "parked": "blue"}


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


class _Bar:
    def __init__(self, live: Live, task: TaskID, watched: Watched) -> None:
        self._live, self._task, self._watched = live, task, watched

    def update(self) -> None:
        with suppress(*TROUBLE):  # while Redis is away the bar keeps its last counters
            now = self._watched.progress()
            self._live.update(self._task, completed=now.done, total=now.total, now=now)


def figures(now: Progress, *, but: str = "") -> Text:
    """``counts`` of *now*, in color; without the outcome named *but*."""
    return Text(" · ").join(Text(text, STYLES[name]) for name, text in counts(now).items() if name != but)


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
        running = now.state in UNENDED
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
