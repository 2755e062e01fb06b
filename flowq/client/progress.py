"""The progress bar of a batch in a terminal: rate, ETA, and what became of the items. Reads counters only."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from flowq.batch.executor import Progress as Figures


class Watched(Protocol):
    """What a bar is drawn of."""

    @property
    def label(self) -> str: ...
    def progress(self) -> Figures: ...


class ProgressBar:
    """``with ProgressBar(handle) as bar: … bar.update()``. Nothing is drawn when not *enabled*."""

    def __init__(self, watched: Watched, *, enabled: bool = True) -> None:
        self._watched = watched
        self._bar = _columns() if enabled else None
        self._task = None if self._bar is None else self._bar.add_task(watched.label, total=None, figures="", rate="")

    def update(self) -> None:
        """Draw the counters of this moment."""
        if self._bar is None or self._task is None:
            return
        now = self._watched.progress()
        self._bar.update(
            self._task, completed=now.done, total=now.total, figures=figures(now), rate=f"{now.rate:,.0f}/s"
        )

    def __enter__(self) -> ProgressBar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if self._bar is not None:
            if exc is None:
                self.update()
            self._bar.stop()


def figures(now: Figures) -> str:
    """What became of the items: ``1,790 ok · 12 fallback · 1 failed``."""
    parts = [f"{now.ok:,} ok"]
    for name in ("fallback", "failed", "parked"):
        count = getattr(now, name)
        if count:
            parts.append(f"{count:,} {name}")
    return " · ".join(parts)


def _columns() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TextColumn("{task.fields[figures]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=False,
    )
