"""The blobs of a commit: the outcomes of a range, and the deltas that a fold merges.

Storing them happens elsewhere (storing.py).
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

from flowq.batch.results.done import Done
from flowq.batch.results.sink import PartValues
from flowq.batch.results.sunk import fail, sunk
from flowq.codec import dumps, explain, unsealed_bytes
from flowq.engine.running.work import Work
from flowq.errors import CodecError

log = logging.getLogger("flowq.chunk")


class TooLargeTogether(Exception):
    """Each value can be encoded, but all of them exceed the size of one message."""


class Brought(NamedTuple):
    """The blobs of a commit: outcomes, and what a fold merges.

    Attributes:
        size_bytes: what was brought, before it was compressed, and wherever it lies.
    """

    blob: bytes
    part: bytes
    size_bytes: int


def encode(done: Done, work: Work, gen: int) -> Brought:
    """What a commit carries. What cannot travel becomes a failed outcome.

    Raises:
        TooLargeTogether: *done* was not changed; half of it may be small enough.
    """
    part = _encode_deltas(done, work) if work.header.reduces else b""
    bare = replace(done, deltas=None)
    if work.sink is not None:
        written = sunk(bare, work.sink, gen, work.header.birth)
        values = written.values
        return _brought(dumps(written.to_plain()), part, values.size_bytes if isinstance(values, PartValues) else 0)
    try:
        blob = dumps(bare.to_plain())
    except CodecError as error:
        _fail_what_cannot_travel(done, done.values, error)
        blob = dumps(bare.to_plain())
    return _brought(blob, part)


def _brought(blob: bytes, part: bytes, sunk_bytes: int = 0) -> Brought:
    return Brought(blob, part, unsealed_bytes(blob) + (unsealed_bytes(part) if part else 0) + sunk_bytes)


def _encode_deltas(done: Done, work: Work) -> bytes:
    deltas = done.deltas or [None] * len(done.values)
    try:
        return dumps((done.start, work.node.condensed(deltas)))
    except CodecError:
        pass
    except Exception:  # raised by the user's function that combines deltas; the fold meets and reports it as well
        log.warning("deltas were not condensed", exc_info=True, extra={"batch": work.header.id})
    try:
        return dumps((done.start, deltas))
    except CodecError as error:
        for place in _fail_what_cannot_travel(done, deltas, error):
            deltas[place] = None
        return dumps((done.start, deltas))


def _fail_what_cannot_travel(done: Done, brought: list[Any], error: CodecError) -> list[int]:
    """Turn the outcomes of items whose value in *brought* cannot be encoded into failed ones; returns their places."""
    found = {place: explain(one, done.start + place) for place, one in enumerate(brought) if one is not None}
    bad: dict[int, CodecError] = {place: why for place, why in found.items() if why is not None}
    if not bad and len(brought) > 1:
        raise TooLargeTogether from error
    bad = bad or {0: error}
    for place, why in bad.items():
        fail(done, done.start + place, why)
    return list(bad)
