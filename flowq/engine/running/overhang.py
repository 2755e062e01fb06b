"""Items that outlast the turn of their process: the slot is theirs until they end, whatever else waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

EXCEPTIONAL = 2.0  # times as long as the median item


class Overhang:
    """The items that were running when others wanted the slot.

    As long as one of them runs, further items beside it keep nobody waiting. These begin once it takes exceptionally
    long, so that there are none if all items take about as long.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._items: set[int] = set()
        self._since: float | None = None

    def off(self) -> None:
        """Note that nobody else wants the slot."""
        self._since = None

    def lasts(self, running: Collection[int]) -> bool:
        """Whether one of the items still runs. The first call says which they are: those that are *running*."""
        if self._since is None:
            self._since, self._items = self._clock(), set(running)
        self._items.intersection_update(running)
        return bool(self._items)

    def waits(self, item_s: float) -> bool:
        """Whether it is too early for further items, if one takes *item_s* seconds; 0: none has ended."""
        if self._since is None:
            return False
        return not item_s or self._clock() - self._since < EXCEPTIONAL * item_s
