"""The free places of a process that runs items side by side: why nothing fills them, and when to look again.

Never here: asking the ledger for a range, or committing one.
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
LOOKS_AN_ITEM = 4  # in the time that one takes: places that it leaves are empty for an eighth of that on the mean
# For so long an item holds back finished ones behind it; where these keep others from their places, for twice the time
# that most items take, at least the second of these.
SPLIT_AFTER_S, SPLIT_AT_LEAST_S = 1.0, 0.03
REMEMBERED = 100  # items


class FreePlaces:
    """What a process waits for whose places are free.

    Args:
        places: items that it may have in flight at once.

    Attributes:
        starved: there was nothing to take when it last looked, and there may be once others commit.
        crowded: why: what is in flight, by the batch's ``concurrency`` or by what this process can hold.
        reserved: chunks that its own commits let begin meanwhile, to be taken here. They are not published.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self.starved = self.crowded = False
        self.reserved: list[str] = []
        self._news = asyncio.Event()
        self._took_s: deque[float] = deque(maxlen=REMEMBERED)

    def look(self) -> None:
        """What has changed so far is seen now."""
        self._news.clear()

    def changed(self) -> None:
        """There may be something to take now."""
        self._news.set()

    @property
    def has_changed(self) -> bool:
        """Whether it did since the last look."""
        return self._news.is_set()

    async def wait(self) -> None:
        """Until there is news, or for as long as it is worth to wait without any."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._news.wait(), self._look_in_s() if self.crowded else LOOK_EVERY_S)

    def ended(self, seconds: float) -> None:
        """An item ended, which took so long."""
        self._took_s.append(seconds)

    def late_s(self) -> float:
        """For how long an item may hold back finished ones behind it."""
        return max(SPLIT_AT_LEAST_S, 2 * self._item_s()) if self.crowded else SPLIT_AFTER_S

    def take_reserved(self) -> str:
        """The next chunk that is reserved; "" if none is."""
        return self.reserved.pop(0) if self.reserved else ""

    def hand_on(self) -> list[str]:
        """All that is reserved, which is not to be taken here."""
        handed, self.reserved = self.reserved, []
        return handed

    def reserve(self, ids: Sequence[str], in_use: int) -> list[str]:
        """Reserve those of the chunks *ids* that there are places for beside *in_use*, and answer them."""
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

    def _item_s(self) -> float:
        """Seconds that most of the last items took. The mean would be that of a few slow ones."""
        return median(self._took_s) if self._took_s else 0.0

    def _look_in_s(self) -> float:
        return min(LOOK_EVERY_S, max(LOOK_SOONEST_S, self._item_s() / LOOKS_AN_ITEM))
