"""What a commit carries, as bytes: the outcomes of a range, and what a fold merges.

Never here: storing them.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from flowq.batch.chunk import Done
from flowq.batch.sunk import fail, sunk
from flowq.codec import dumps, explain
from flowq.engine.running.work import Work
from flowq.errors import CodecError

log = logging.getLogger("flowq.chunk")


class TooLargeTogether(Exception):
    """Each value can travel, not all in one message."""


def encode(done: Done, work: Work, gen: int) -> tuple[bytes, bytes]:
    """The blobs of a commit: outcomes, and what a fold merges. What cannot travel becomes a failed outcome.

    Raises:
        TooLargeTogether: nothing has become anything yet, and half of it may do.
    """
    part = _encode_deltas(done, work) if work.header.reduces else b""
    bare = replace(done, deltas=None)
    if work.sink is not None:
        return dumps(sunk(bare, work.sink, gen).to_plain()), part
    try:
        blob = dumps(bare.to_plain())
    except CodecError as error:
        _fail_what_cannot_travel(done, done.values, error)
        blob = dumps(bare.to_plain())
    return blob, part


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
