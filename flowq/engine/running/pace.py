"""How many items of a long task end in what time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

EVERY_S = 0.2
MARKS = 20  # so the pace is that of the last four seconds, or of more if items end seldom


class Pace:
    """Counts the items that have ended, from its creation on."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._marks = deque([(clock(), 0)], maxlen=MARKS)
        self._items = 0

    def ended(self, items: int) -> None:
        """Count *items* more."""
        now = self._clock()
        if now - self._marks[-1][0] >= EVERY_S:
            self._marks.append((now, self._items))
        self._items += items

    def lately(self) -> tuple[int, float]:
        """How many items have ended in the last seconds, and in how many."""
        since, before = self._marks[0]
        return self._items - before, self._clock() - since
