"""The free places of a process that runs items concurrently: why nothing fills them, and when to look again.

Claiming and committing ranges happens elsewhere (stream.py).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Sequence
from statistics import median

from flowq.engine.ids import length

LOOK_EVERY_S = 0.2
LOOK_SOONEST_S = 0.02
LOOKS_AN_ITEM = 4  # looks per duration of an item: a place that is left stays empty for an eighth of it on average
# An item that holds back finished ones is split off when it has run for SPLIT_AFTER_S; if these count against others'
# places, when it has run for twice the median duration of an item, but at least SPLIT_AT_LEAST_S.
SPLIT_AFTER_S, SPLIT_AT_LEAST_S = 1.0, 0.03
REMEMBERED = 100  # items


class FreePlaces:
    """What a process with free places waits for.

    Args:
        places: items that it may have in flight at once.

    Attributes:
        starved: the last look found nothing to take, and there may be something once others commit.
        crowded: the reason is the batch's ``concurrency``, or the number of records that this process can hold.
        reserved: unpublished chunks that this process's own commits opened, to be taken here.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self.starved = self.crowded = False
        self.reserved: list[str] = []
        self._news = asyncio.Event()
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)

    def look(self) -> None:
        """Mark all changes so far as seen."""
        self._news.clear()

    def changed(self) -> None:
        """Signal that there may be something to take now."""
        self._news.set()

    @property
    def has_changed(self) -> bool:
        """Whether there was a change since the last look."""
        return self._news.is_set()

    async def wait(self) -> None:
        """Wait for a change, or until it is time to look without one."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), self._look_in_s() if self.crowded else LOOK_EVERY_S)

    def ended(self, seconds: float) -> None:
        """Record the duration of an item that ended."""
        self._took_s.append(seconds)

    def late_s(self) -> float:
        """How long an item may run, in seconds, before it is split off for holding back finished ones."""
        return max(SPLIT_AT_LEAST_S, 2 * self.item_s()) if self.crowded else SPLIT_AFTER_S

    def item_s(self) -> float:
        """The median duration of the last items in seconds. A few slow items would dominate the mean."""
        return median(self._took_s) if self._took_s else 0.0

    def take_reserved(self) -> str:
        """The next reserved chunk; "" if there is none."""
        return self.reserved.pop(0) if self.reserved else ""

    def hand_on(self) -> list[str]:
        """Return all reserved chunks, which are not to be taken here any more."""
        handed, self.reserved = self.reserved, []
        return handed

    def reserve(self, ids: Sequence[str], in_use: int) -> list[str]:
        """Reserve those of the chunks *ids* that fit beside *in_use* items, and return them."""
        if not self.starved:
            return []
        free = self._places - in_use - sum(map(length, self.reserved))
        kept = []
        for chunk_id in ids:
            if free > 0:
                kept.append(chunk_id)
                free -= length(chunk_id)
        if kept:
            self.reserved += kept
            self.changed()
        return kept

    def _look_in_s(self) -> float:
        return min(LOOK_EVERY_S, max(LOOK_SOONEST_S, self.item_s() / LOOKS_AN_ITEM))
