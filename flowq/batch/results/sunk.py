"""Moves the values of a Done into a part of a sink. Values that cannot be written become failed outcomes."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from flowq.batch.results.as_json import line_of
from flowq.batch.results.done import Done, ItemDone
from flowq.batch.results.outcome import Outcome
from flowq.batch.results.sink import PartValues, Sink, part_name
from flowq.errors import EncodeError, SinkFailed

TRIES = 3
WAIT_S = 0.5
PART_ITEMS = 1000
PART_S = 0.2


class PartWriter:
    """Collects items that end one by one, and writes them as parts every 1,000 items, or five times a second.

    Args:
        sink: the sink to write to.
    """

    def __init__(self, sink: Sink) -> None:
        self.sink = sink
        self._items: dict[int, ItemDone] = {}
        self._written_at = time.monotonic()

    def add(self, index: int, item: ItemDone) -> None:
        """Add the item at *index*, which has a value."""
        self._items[index] = item

    @property
    def is_due(self) -> bool:
        """Whether enough items, or enough time, has accumulated for a part."""
        return len(self._items) >= PART_ITEMS or time.monotonic() - self._written_at > PART_S

    def write(self) -> list[Done]:
        """Write the collected items, a part for each series of neighbours; returns their Dones."""
        items, self._items = self._items, {}
        self._written_at = time.monotonic()
        neighbours: list[list[int]] = []
        for index in sorted(items):
            if neighbours and neighbours[-1][-1] == index - 1:
                neighbours[-1].append(index)
            else:
                neighbours.append([index])
        return [sunk(Done.gather(some[0], (items[index] for index in some)), self.sink) for some in neighbours]


def sunk(done: Done, sink: Sink, gen: int = 0, birth: str = "") -> Done:
    """*done* with its values in a part of *sink*; items whose values cannot be written are marked failed in *done*."""
    if done.start == done.upto:
        return done
    lines = _lines(done)
    if not lines:
        return done
    try:
        part = b"\n".join(lines) + b"\n"
        address = _written(sink, part_name(gen, done.start, done.upto, birth), part)
    except Exception as error:  # the clients of object stores have errors of their own, which are no OSErrors
        for index in _with_value(done):
            fail(done, index, SinkFailed(f"{type(error).__name__}: {error}"))
        return done
    values: Any = PartValues(address, len(done.values), done.without_value(), len(part))
    return replace(done, values=values)


def fail(done: Done, index: int, error: Exception) -> None:
    """Mark the item at *index* as failed."""
    done.values[index - done.start] = None
    known = done.notable.get(index)
    failed = Outcome(index, "failed", error=error, attempts=known.attempts if known else 1)
    done.notable[index] = replace(known, status="failed", error=error) if known else failed


def _with_value(done: Done) -> list[int]:
    without = set(done.without_value())
    return [index for place, index in enumerate(range(done.start, done.upto)) if place not in without]


def _lines(done: Done) -> list[bytes]:
    lines: list[bytes] = []
    for index in _with_value(done):
        try:
            lines.append(line_of(done.values[index - done.start], index))
        except EncodeError as error:
            fail(done, index, error)
    return lines


def _written(sink: Sink, name: str, data: bytes) -> str:
    for attempt in range(TRIES):
        try:
            return sink.write(name, data)
        except Exception:
            if attempt == TRIES - 1:
                raise
            time.sleep(WAIT_S)
    raise AssertionError
