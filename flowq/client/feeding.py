"""Writing a batch's items in the background of a producer. How they are written: engine/feeding/feed.py."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Self

from flowq.engine.feeding.feed import Feeder

LAST_WORDS_S = 1.0  # most seconds between the end of a batch and the error of its source, in either order


class Feeding:
    """Feeds a batch: in the calling thread for a while, the rest in a thread of its own.

    ``with Feeding() as feeding:`` is for a caller that waits for the batch: an exception there ends the feeding, too.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None
        self._feeder: Feeder | None = None
        self._error: BaseException | None = None
        self._given_up = self._joined = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._given_up = kind is not None

    def begin(self, feeder: Feeder, steps: Generator[None, None, None], here_s: float) -> None:
        """Run *steps*, those of *feeder*, in this thread; after *here_s* seconds (0: at once) in another one.

        Raises:
            BaseException: raised by a step in this thread, or Ctrl-C; nothing more is then written.
        """
        self._feeder = feeder
        until = time.monotonic() + here_s
        try:
            if here_s > 0:
                for _ in steps:
                    if time.monotonic() >= until:
                        break
                else:
                    return
            run = contextvars.copy_context().run
            self._thread = threading.Thread(target=run, args=(self._run, steps), name="flowq-submit", daemon=True)
            self._thread.start()
        except BaseException:
            self._given_up = True
            with suppress(ValueError):  # the thread has started and is executing a step
                steps.close()
            raise

    @property
    def is_apart(self) -> bool:
        """Whether a thread of its own writes the items, or has written them."""
        return self._thread is not None

    @property
    def under_way(self) -> bool:
        """Whether that thread still has items to write."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """The exception that ended the feeding, in either thread."""
        return self._error or (None if self._feeder is None else self._feeder.error)

    def check(self, *, wait: bool) -> None:
        """Raise the exception that ended the feeding, if any; *wait* for it if the batch has ended because of it."""
        if wait and self._thread is not None and not self._joined:
            # With a timeout: the batch may have been cancelled because its source hangs.
            self._thread.join(LAST_WORDS_S)
            self._joined = True
        if self.error is not None:
            if self._thread is not None:
                self._thread.join(LAST_WORDS_S)  # it may be about to end the batch
            raise self.error

    def _run(self, steps: Generator[None, None, None]) -> None:
        try:
            for _ in steps:
                if self._given_up:
                    steps.close()
        except BaseException as exc:  # raised by ``check``
            self._error = exc
