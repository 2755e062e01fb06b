"""A batch's items written beside what else this process does. How they are written: engine/feeding/feed.py."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Generator
from contextlib import suppress
from typing import Self

from flowq.engine.feeding.feed import Feeder

LAST_WORDS_S = 1.0  # between the end of a batch that its source has ended and what the source raised, or the reverse


class Feeding:
    """Has a batch fed: for a while by the thread that asks for it, what is left by one of its own.

    ``with Feeding() as feeding:`` is for somebody who waits for the batch: what ends that wait ends the feeding, too.
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
        """Take *steps*, those of *feeder*, here; after *here_s* seconds (0: at once) a thread takes the others.

        Raises:
            BaseException: what a step in this thread raised, Ctrl-C included; nothing more is written then.
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
            with suppress(ValueError):  # the thread has begun, and is in a step
                steps.close()
            raise

    @property
    def is_apart(self) -> bool:
        """Whether a thread of its own writes the items, or has."""
        return self._thread is not None

    @property
    def under_way(self) -> bool:
        """Whether that thread has items to write."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def error(self) -> BaseException | None:
        """What ended the feeding, here or in that thread."""
        return self._error or (None if self._feeder is None else self._feeder.error)

    def check(self, *, wait: bool) -> None:
        """Raise what ended the feeding, such as an item that cannot travel; *wait* for it: it has ended the batch."""
        if wait and self._thread is not None and not self._joined:
            # Not for ever: a batch may have been cancelled because its source hangs.
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
        except BaseException as exc:  # handed to whoever waits
            self._error = exc
