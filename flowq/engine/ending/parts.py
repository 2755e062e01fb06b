"""The deltas of a reducing batch's items, read in item order and in parts. Merges nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from flowq.codec import loads
from flowq.engine.connection import Connections
from flowq.engine.ids import span
from flowq.engine.reading.results import out_fields, read_blobs
from flowq.errors import BatchLost

READ_FIELDS = 64
READ_ITEMS = 5000
"""The most fields, and items in them, that are read at once: the memory of a fold beside its merged delta."""


def read_deltas(connections: Connections, batch_id: str, segment: tuple[int, int]) -> Iterator[list[Any]]:
    """The deltas of a segment in item order, some neighbours at a time; of several for one item only the newest.

    Raises:
        BatchLost: Redis lacks one of them.
    """
    for by_index in deltas_by_index(connections, batch_id, segment):
        yield [by_index[index] for index in sorted(by_index)]


def deltas_by_index(connections: Connections, batch_id: str, segment: tuple[int, int]) -> Iterator[dict[int, Any]]:
    """As :func:`read_deltas`, by index of the item; a delta of several items is under the first of them."""
    start, stop = segment
    fields = [field for field in out_fields(connections, batch_id, "part") if _overlaps(field, start, stop)]
    for some in together(fields):
        by_index: dict[int, Any] = {}
        for blob in read_blobs(connections, batch_id, some, "part"):
            if blob is None:
                raise BatchLost(batch_id)
            first, deltas = loads(blob)
            for index, delta in enumerate(deltas, first):
                if start <= index < stop and delta is not None:
                    by_index[index] = delta
        yield by_index


def together(fields: Sequence[str]) -> Iterator[list[str]]:
    """*fields*, given oldest first, in groups by item order; fields that overlap stay in one group."""
    standing = {field: place for place, field in enumerate(fields)}
    group: list[str] = []
    items, end = 0, 0
    for field in sorted(fields, key=span):
        first, upto = span(field)
        if group and first >= end and (len(group) >= READ_FIELDS or items + upto - first > READ_ITEMS):
            yield sorted(group, key=standing.__getitem__)
            group, items = [], 0
        group.append(field)
        items, end = items + upto - first, max(end, upto)
    if group:
        yield sorted(group, key=standing.__getitem__)


def _overlaps(field: str, start: int, stop: int) -> bool:
    first, upto = span(field)
    return first < stop and start < upto
