"""The outcomes of a batch in item order, read from Redis in windows of items, so that memory stays flat."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from flowq.batch.results.done import Done
from flowq.batch.results.outcome import Outcome, key_for_people
from flowq.engine.connection import Connections
from flowq.engine.ids import span
from flowq.engine.reading.results import out_fields, read_some, require_kept
from flowq.errors import ItemCancelled

WINDOW_ITEMS = 10_000


def read_outcomes(connections: Connections, batch_id: str, n: int, why: str) -> Iterator[Outcome]:
    """One outcome for each of the batch's *n* items; one without an outcome reads as cancelled, for the reason *why*.

    Raises:
        DecodeError: the class of a result is unknown to this process.
        BatchLost: Redis no longer holds the batch.
    """
    fields = [(span(field), field) for field in out_fields(connections, batch_id)]
    for start in range(0, n, WINDOW_ITEMS):
        stop = min(n, start + WINDOW_ITEMS)
        standing: list[Done | None] = [None] * (stop - start)
        inside = [field for (first, upto), field in fields if first < stop and start < upto]
        for done in read_some(connections, batch_id, inside):
            holes = {park.index for park in done.parked}
            for index in range(max(start, done.start), min(stop, done.upto)):
                if index not in holes:
                    standing[index - start] = done
        if None in standing:
            require_kept(connections, batch_id)
        for index, run in enumerate(standing, start):
            yield run.outcome(index) if run else Outcome(index, "cancelled", error=ItemCancelled(why), attempts=0)


def with_inputs(
    found: Iterator[Outcome], inputs: Mapping[int, Any] | Sequence[Any], key_of: Callable[[Any], str] | None
) -> Iterator[Outcome]:
    """The outcomes with their items and keys, as far as the items are still available."""
    for outcome in found:
        try:
            item = inputs[outcome.index]
        except (KeyError, IndexError):
            yield outcome
        else:
            yield replace(outcome, input=item, key=key_for_people(key_of, item))
