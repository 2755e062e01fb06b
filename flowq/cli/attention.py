"""Ctrl-C while a command waits for batches: the first leaves them running, a second one cancels them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from flowq.batch.executor import Progress
from flowq.cli.absence import Absence
from flowq.client.progress import Display
from flowq.client.watching import Waited, Watching

SECOND_THOUGHTS_S = 2.0


class Detached(KeyboardInterrupt):
    """Raised when the command stops waiting for a batch that keeps running."""


class Attention(Watching):
    """Waits for batches, and handles Ctrl-C in whichever thread waits.

    Args:
        display: where their progress is shown.
        console: where it prints what Ctrl-C does.
        stays: whether the batches have workers that outlive this command; if not, the first Ctrl-C cancels.
        absence: gives up if Redis stays away; None: waits on, as in a program that waits for its batch.

    Attributes:
        seen: the batches it waited for, in the order in which the waits began.
    """

    def __init__(self, display: Display, console: Console, *, stays: bool, absence: Absence | None = None) -> None:
        super().__init__(display)
        self.seen: list[Waited] = []
        self.look_every_s = 0.2
        self._console, self._stays, self._absence = console, stays, absence
        self._lock = threading.Lock()
        self._waiting = 0
        self._pressed = 0
        self._pressed_at = 0.0
        self._said: set[str] = set()

    def wait(self, handle: Waited, tell: Callable[[Progress], object] | None = None) -> None:
        """See Watching; raises Detached if it stops waiting for a batch that keeps running."""
        with self._lock:
            self.seen.append(handle)
            self._waiting += 1
        if self._stays:
            self._console.print(f"batch {handle.id}", style="dim", highlight=False)
        try:
            super().wait(handle, tell)
        finally:
            with self._lock:
                self._waiting -= 1

    @contextmanager
    def listening(self) -> Iterator[Attention]:
        """Handle Ctrl-C while the block runs; for the main thread."""
        before = signal.signal(signal.SIGINT, self._press)
        try:
            yield self
        finally:
            signal.signal(signal.SIGINT, before)

    def look(self, handle: Waited) -> None:
        """Leave or cancel *handle* if Ctrl-C was pressed; raises NoRedis if Redis stays away."""
        if not self._pressed:
            if self._absence is not None:
                self._absence.look()
            return
        if self._cancels:
            raise KeyboardInterrupt
        if handle.is_fed_here:
            self._say_once(
                "feeding", f"{handle.id} is still given its items from here: it is left as soon as it has them."
            )
        elif time.monotonic() - self._pressed_at > SECOND_THOUGHTS_S:
            raise Detached
        else:
            self._say_once("leaving", f"Leaving {handle.id} running. Ctrl-C again, now, cancels it.")

    def interrupted(self, handle: Waited) -> None:
        """Cancel the batch, if that was asked for, and print what happens to it."""
        if self._cancels:
            handle.cancel()
            self._console.print(f"{handle.id} was cancelled.", highlight=False)
        else:
            self._console.print(
                f"{handle.id} runs on. Come back with [bold]flowq watch {handle.id}[/bold]", highlight=False
            )

    @property
    def _cancels(self) -> bool:
        return self._pressed > 1 or not self._stays

    def _press(self, signum: int, frame: Any) -> None:
        if not self._waiting:
            # No batch is waited for, but a node's own code runs: behave as in any Python program.
            raise KeyboardInterrupt
        self._pressed += 1
        self._pressed_at = time.monotonic()

    def _say_once(self, what: str, words: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._console.print(words, highlight=False)
