"""Items that a thread of this process reads while their batch runs. What it does with them: engine/feed.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

LAST_WORDS_S = 1.0  # between the end of a batch that its source has ended and what the source raised


class Feeding:
    """A batch whose items come from a generator, read by a thread of this process."""

    def __init__(self, feed: Callable[[], Any]) -> None:
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(feed,), name="flowq-submit", daemon=True)
        self._thread.start()

    @property
    def under_way(self) -> bool:
        """Whether items are still to be read."""
        return self._thread.is_alive()

    def check(self, *, wait: bool) -> None:
        """Raise what the generator or an item that cannot travel raised; *wait* for it: it has ended the batch."""
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
