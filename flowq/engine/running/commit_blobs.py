"""What a commit carries, as bytes: the outcomes of a range, and what a fold merges.

Never here: storing them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any, NamedTuple

from flowq.batch.chunk import Done
from flowq.batch.sink import PartValues
from flowq.batch.sunk import fail, sunk
from flowq.codec import dumps, explain, unsealed_bytes
from flowq.engine.running.work import Work
from flowq.errors import CodecError

log = logging.getLogger("flowq.chunk")


class TooLargeTogether(Exception):
    """Each value can travel, not all in one message."""


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
        TooLargeTogether: nothing has become anything yet, and half of it may do.
    """
    part = _encode_deltas(done, work) if work.header.reduces else b""
    bare = replace(done, deltas=None)
    if work.sink is not None:
        written = sunk(bare, work.sink, gen)
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
    except Exception:  # a user's function combines them; the fold meets the same error, and tells it
        log.warning("deltas were not condensed", exc_info=True, extra={"batch": work.header.id})
    try:
        return dumps((done.start, deltas))
    except CodecError as error:
        for place in _fail_what_cannot_travel(done, deltas, error):
            deltas[place] = None
        return dumps((done.start, deltas))


def _fail_what_cannot_travel(done: Done, brought: list[Any], error: CodecError) -> list[int]:
    """Make failed outcomes of the items that *brought* what cannot travel, and answer their places."""
    found = {place: explain(one, done.start + place) for place, one in enumerate(brought) if one is not None}
    bad: dict[int, CodecError] = {place: why for place, why in found.items() if why is not None}
    if not bad and len(brought) > 1:
        raise TooLargeTogether from error
    bad = bad or {0: error}
    for place, why in bad.items():
        fail(done, done.start + place, why)
    return list(bad)
