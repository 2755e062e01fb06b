"""Items that a thread of this process writes while their batch runs. How they are written: engine/feed.py."""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

LAST_WORDS_S = 1.0  # between the end of a batch that its source has ended and what the source raised


class Feeding:
    """A thread that feeds a batch: from a generator, or what is left of a long list."""

    def __init__(self, feed: Callable[[], Any]) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(feed,), name="flowq-submit", daemon=True)
        self._thread.start()

    @property
    def under_way(self) -> bool:
        """Whether items are still to be read."""
        return self._thread.is_alive()

    def check(self, *, wait: bool) -> None:
        """Raise what ended the feeding, such as an item that cannot travel; *wait* for it: it has ended the batch."""
        if wait:
            # Not for ever: a batch may have been cancelled because its source hangs.
            self._thread.join(LAST_WORDS_S)
        if self._error is not None:
            raise self._error

    def _run(self, feed: Callable[[], Any]) -> None:
        try:
            feed()
        except BaseException as exc:  # handed to whoever waits
            self._error = exc


def left_of(steps: Generator[None, None, None], here_s: float) -> Callable[[], None] | None:
    """Take *steps* for *here_s* seconds. What takes the others, if any are left."""
    until = time.monotonic() + here_s
    try:
        for _ in steps:
            if time.monotonic() >= until:
                return functools.partial(_take_all, steps)
    except BaseException:  # Ctrl-C may come between two steps
        steps.close()
        raise
    return None


def _take_all(steps: Generator[None, None, None]) -> None:
    for _ in steps:
        pass
