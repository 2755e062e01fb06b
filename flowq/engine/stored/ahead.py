"""Reading an iterator in a thread of its own, so that available items do not wait for one that is not available yet."""

from __future__ import annotations

import contextvars
import threading
import time
from collections import deque
from collections.abc import Iterator
from typing import Any

FLUSH_S = 0.1  # an item of a slow source waits no longer than this for more items
SILENT_S = 0.2  # `take` waits no longer than this for a first item, so that its caller can check whether to go on


class Ahead:
    """Reads *items* while ``take`` waits for some, plus one item ahead; call ``stop`` when no more are wanted."""

    def __init__(self, items: Iterator[Any]) -> None:
        self._items = items
        self._most = 0  # items wanted now
        # Appended to and popped from without the lock, for speed: its single operations are atomic.
        self._held: deque[Any] = deque()
        self._ended = self._stopped = False
        self._error: BaseException | None = None
        # Either the taker waits for items or the reader waits for room; never both.
        self._changed = threading.Condition()
        run = contextvars.copy_context().run
        threading.Thread(target=run, args=(self._read,), name="flowq-read", daemon=True).start()

    def take(self, most: int) -> tuple[list[Any], bool]:
        """The next items, at most *most*, and whether the iterator has ended.

        Returns the items that came within a moment, which may be none although the iterator has not ended.

        Raises:
            BaseException: raised by the iterator; raised here once all items before it were taken.
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
        """Read no further; an item that the iterator is still producing is dropped."""
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
        except BaseException as error:  # re-raised by `take`
            self._error = error
        with self._changed:
            self._ended = True
            self._changed.notify()

    def _go_on(self) -> bool:
        """Announce that items are there, and wait for room; False if no more are wanted."""
        with self._changed:
            self._changed.notify()
            self._changed.wait_for(lambda: len(self._held) < self._most or self._stopped)
            return not self._stopped
