"""An iterator read in a thread of its own, so that items that are there need not wait for one that is not there yet."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

FLUSH_S = 0.1  # the items of a slow source do not wait longer than this for more of them
SILENT_S = 0.2  # who takes is not kept longer than this by a source that gives none: it may not want any more


class Ahead:
    """Reads *items* while somebody takes, and one item ahead of that; ``stop`` it when nothing more will be taken."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._most = 0  # items wanted now
        # Appended to and taken from without the lock, for speed: its single operations are atomic.
        self._held: deque[Any] = deque()
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        # One side waits for items, or the other for room; never both.
        self._changed = threading.Condition()
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._read,), name="flowq-read", daemon=True).start()

    def take(self, most: int) -> tuple[list[Any], bool]:
        """The next items, *most* of them or those that came within a moment; and whether the iterator has ended.

        There may be none though it has not.

        Raises:
            BaseException: what the iterator raised, once everything before that was taken.
        """
        with self._changed:
            self._most = most
            self._changed.notify()
            self._await_items()
            self._most = 0
            taken = [self._held.popleft() for _ in range(min(most, len(self._held)))]
            if self._error is not None and not taken:
                raise self._error
            return taken, self._ended and self._error is None and not self._held

    def stop(self) -> None:
        """Read no further; an item that is being waited for is dropped when it comes."""
        with self._changed:
            self._stopped = True
            self._changed.notify()

    def _await_items(self) -> None:
        if not self._changed.wait_for(lambda: self._held or self._ended, SILENT_S):
            return
        until = time.monotonic() + FLUSH_S
        while len(self._held) < self._most and not self._ended:
            left_s = until - time.monotonic()
            if left_s <= 0:
                return
            self._changed.wait(left_s)

    def _read(self) -> None:
        held = self._held
        try:
            for item in self._items:
                held.append(item)
                n = len(held)
                if (n == 1 or n >= self._most) and not self._go_on():
                    return
        except BaseException as error:  # handed to whoever takes
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _go_on(self) -> bool:
        """Tell that items are there, and wait for room; False when no more are wanted."""
        with self._changed:
            self._changed.notify()
            self._changed.wait_for(lambda: len(self._held) < self._most or self._stopped)
            return not self._stopped
