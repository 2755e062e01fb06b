"""How a blocking run waits for its batch: it shows progress, and cancels the batch at Ctrl-C, when another exception
ends the wait, or when the call it was made in ends early, such as the branch of a race.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from time import monotonic
from typing import Protocol

from flowq.batch.executor import Progress
from flowq.batch.inline.batch import TELL_EVERY_S
from flowq.client.leaving import said_if_not_cancelled
from flowq.client.progress import Display
from flowq.core.context import current_context
from flowq.core.drive import stopped
from flowq.engine.patience import TROUBLE
from flowq.engine.reading.results import State
from flowq.errors import BatchLost, ConfigError

WANTED_LOOK_S = 0.2  # how often to check whether the surrounding call is still wanted


class Waited(Protocol):
    """What can be waited for: a batch, or something with the same methods."""

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
        look_every_s: how often ``look`` is called at least; None: only when the display is updated.
    """

    look_every_s: float | None = None

    def __init__(self, display: Display) -> None:
        self._display = display

    def wait(self, handle: Waited, tell: Callable[[Progress], object] | None = None) -> None:
        """Block until the batch has ended; cancel it if this call is no longer wanted (``ctx.cancelled``).

        Args:
            tell: called with its progress, from time to time and at its end.

        Raises:
            KeyboardInterrupt: Ctrl-C; the batch was cancelled, unless Redis was away, which is logged.
            Exception: see ``BatchHandle.wait``.
            BaseException: raised by *tell* or a signal handler; the batch was cancelled, as at Ctrl-C.
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
        except (ConfigError, BatchLost):
            raise  # there is no Redis to tell it, or no batch to cancel
        except BaseException:
            # Celery's soft time limit, a test's timeout, `sys.exit()` at SIGTERM: nobody has a handle of the batch.
            with said_if_not_cancelled(handle):
                handle.cancel()
            raise

    def _tell(self, handle: Waited, tell: Callable[[Progress], object] | None) -> None:
        """Call *tell* with the progress; while Redis is away it is not called, and the wait goes on."""
        if tell is None:
            return
        try:
            now = handle.progress()
        except TROUBLE:
            return
        try:
            tell(now)
        except StopIteration as exc:  # it would end the generator that asked, and never reach one who awaits
            raise stopped(exc, tell) from exc

    def look(self, handle: Waited) -> None:
        """Called from time to time while the batch runs; see ``look_every_s``."""

    def interrupted(self, handle: Waited) -> None:
        """Called at Ctrl-C, or when ``look`` raised KeyboardInterrupt."""
        handle.cancel()

    def _look_every_s(self, tells: bool) -> float | None:
        given = (self._display.every_s, self.look_every_s, TELL_EVERY_S if tells else None)
        waits = [wait_s for wait_s in given if wait_s is not None]
        return min(waits, default=None)


def _ended(handle: Waited, timeout_s: float | None) -> bool:
    """As ``handle.wait``, but cancels the batch if this call is no longer wanted."""
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
