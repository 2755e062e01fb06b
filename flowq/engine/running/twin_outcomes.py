"""Outcomes of items by index, to copy for their twins: the newest of each. Never waits."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator

from flowq.batch.results.done import Done, ItemDone, Park
from flowq.batch.results.in_item_order import Span
from flowq.batch.running.twins import copy_of
from flowq.codec import loads
from flowq.engine.connection import Connections
from flowq.engine.ledger import GEN
from flowq.engine.reading.commit_line import span_of_field

AT_ONCE = 64
CACHED_COMMITS = 16
FIRST_WAIT_S = 0.25
MOST_WAIT_S = 10.0


class TwinOutcomes:
    """The outcomes of keyed batches' items, for one process; keeps the last used commits decoded."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._cache: OrderedDict[tuple[str, bytes], Done] = OrderedDict()

    def forget(self, batch_id: str) -> None:
        """Drop the cached commits of a batch, because they may have changed."""
        for place in [place for place in self._cache if place[0] == batch_id]:
            del self._cache[place]

    def of(self, batch_id: str, gen: int, index: int, first: int, polls: int = 0) -> ItemDone:
        """The outcome of the twin at *index*, copied from item *first*; parked while that has not ended in *gen*.

        Args:
            polls: how often it was asked for before; the wait grows with it.
        """
        return twin_of(self._find(batch_id, gen, first), index, first, polls)

    def _find(self, batch_id: str, gen: int, index: int) -> ItemDone | None:
        for one in range(gen, -1, -1):
            for span in self._covering(batch_id, one, index):
                done = self._done(batch_id, span.ref)
                if done is None or any(park.index == index for park in done.parked):
                    continue
                outcome = done.notable.get(index)
                if outcome is not None and outcome.status == "failed" and one < gen:
                    return None  # it failed in an earlier generation, and is run again in this one
                return ItemDone(done.values[index - done.start], outcome)
        return None

    def _covering(self, batch_id: str, gen: int, index: int) -> list[Span]:
        """The commits of a generation that cover *index*, the latest first."""
        covering = [span for span in self._up_to(batch_id, gen, index) if span.start <= index < span.upto]
        return sorted(covering, key=lambda one: -one.record)

    def _up_to(self, batch_id: str, gen: int, index: int) -> Iterator[Span]:
        """The commits of a generation that begin at *index* or before, backwards, as far as one may cover it."""
        place, at, last = self._connections.keys.of(batch_id, "place"), 0, 0
        while True:
            fields = self._connections.redis.zrevrangebyscore(
                place, gen * GEN + index, gen * GEN, start=at, num=AT_ONCE
            )
            for field in fields:
                span = span_of_field(field, field)
                if span.start < last:
                    return
                yield span
                if span.record == 0:
                    # Spans with record 0 do not overlap, so no earlier one reaches *index*; others that begin here may
                    # still come: those with the same score are in the order of their names.
                    last = span.start
            if len(fields) < AT_ONCE:
                return
            at += AT_ONCE

    def _done(self, batch_id: str, field: bytes) -> Done | None:
        done = self._cache.get((batch_id, field))
        if done is None:
            blob = self._connections.redis.hget(self._connections.keys.of(batch_id, "out"), field)
            if blob is None:
                return None
            done = self._cache[batch_id, field] = Done.from_plain(loads(blob))
            if len(self._cache) > CACHED_COMMITS:
                self._cache.popitem(last=False)
        self._cache.move_to_end((batch_id, field))
        return done


def twin_of(item: ItemDone | None, index: int, first: int, polls: int = 0) -> ItemDone:
    """The end of the twin at *index* of item *first*: a copy of *item*; parked if that is, or has not ended (None)."""
    if item is not None and item.park is None:
        return copy_of(item, index)
    wait_s = min(MOST_WAIT_S, FIRST_WAIT_S * 2 ** min(polls, 10))
    return ItemDone(park=Park(index, polls + 1, wait_s, f"same as item {first}"))
