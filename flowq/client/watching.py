"""How a blocking run waits for its batch: progress is shown meanwhile, Ctrl-C cancels, and so does the end of the call
that it is made in, such as the branch of a race. Never what it waits for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from flowq.batch.executor import Progress
from flowq.batch.here import TELL_EVERY_S
from flowq.client.leaving import said_if_not_cancelled
from flowq.client.progress import Display
from flowq.core.context import current_context
from flowq.engine.patience import TROUBLE
from flowq.engine.reading.results import State

WANTED_LOOK_S = 0.2  # whether anybody waits for the call that waits for the batch


class Waited(Protocol):
    """What is waited for: a batch, or what stands for something like one."""

    @property
    def id(self) -> str: ...
    @property
    def label(self) -> str: ...
    @property
    def is_fed_here(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def progress(self) -> Progress: ...
    def state(self) -> State: ...
    def cancel(self) -> None: ...


class Watching:
    """Waits for batches.

    Args:
        display: where their progress is shown.

    Attributes:
        look_every_s: how often ``look`` is called at least; None: as often as the display is updated, if ever.
    """

    look_every_s: float | None = None

    def __init__(self, display: Display) -> None:
        self._display = display

    def wait(self, handle: Waited, tell: Callable[[Progress], object] | None = None) -> None:
        """Block until the batch has ended; it is cancelled once nobody waits for this call (``ctx.cancelled``).

        Args:
            tell: is told of its progress, now and then and at its end.

        Raises:
            KeyboardInterrupt: somebody pressed Ctrl-C; the batch was cancelled, unless Redis is away: that is logged.
            Exception: see ``BatchHandle.wait``.
        """
        try:
            with self._display.of(handle) as drawing:
                while not _ended(handle, self._look_every_s(tell is not None)):
                    drawing.update()
                    self.look(handle)
                    self._tell(handle, tell)
                self._tell(handle, tell)
        except KeyboardInterrupt:
            with said_if_not_cancelled(handle):
                self.interrupted(handle)
            raise

    def _tell(self, handle: Waited, tell: Callable[[Progress], object] | None) -> None:
        """While Redis is away nobody is told anything, and the batch is waited for all the same."""
        if tell is None:
            return
        try:
            now = handle.progress()
        except TROUBLE:
            return
        tell(now)

    def look(self, handle: Waited) -> None:
        """Called every now and then while the batch runs; see ``look_every_s``."""

    def interrupted(self, handle: Waited) -> None:
        """Somebody pressed Ctrl-C, or ``look`` raised KeyboardInterrupt."""
        handle.cancel()

    def _look_every_s(self, tells: bool) -> float | None:
        given = (self._display.every_s, self.look_every_s, TELL_EVERY_S if tells else None)
        waits = [wait_s for wait_s in given if wait_s is not None]
        return min(waits, default=None)


def _ended(handle: Waited, timeout_s: float | None) -> bool:
    """As ``handle.wait``; a batch for which nobody waits any more is cancelled meanwhile."""
    ctx = current_context()
    if ctx is None:
        return handle.wait(timeout_s)
    until = None if timeout_s is None else monotonic() + timeout_s
    left_s = WANTED_LOOK_S
    while left_s > 0:
        left_s = WANTED_LOOK_S if until is None else min(WANTED_LOOK_S, until - monotonic())
        if handle.wait(max(0.0, left_s)):
            return True
        if ctx.cancelled:
            with contextlib.suppress(*TROUBLE):  # asked again with the next look
                handle.cancel()
    return False
