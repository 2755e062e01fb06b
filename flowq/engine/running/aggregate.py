"""How a slot aggregates a closed batch: at once if it is small and this process closed it, else in a chord's tasks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from flowq.engine.batches import Header
from flowq.engine.dispatch import Segment, publish_aggregate
from flowq.engine.ending.folds import Merge, finish, fold, merge_all
from flowq.engine.ending.parts import READ_ITEMS
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.running.slot import Slot
from flowq.engine.running.templates import Unbuilt
from flowq.engine.running.work import Work
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.errors import BatchLost, CannotTravel, DecodeError

log = logging.getLogger("flowq.aggregate")

AGGREGATE = "agg"
AT_ONCE_ITEMS = READ_ITEMS
"""The deltas of so many items are read in one go, and merged in less time than a chord takes."""


def aggregate(slot: Slot, work: Work) -> None:
    """Aggregate a batch that this process has closed, or publish its chord. What fails here stays due."""
    connections, header = slot.connections, work.header
    try:
        state, gen, n = connections.redis.hmget(connections.keys.meta(header.id), ["state", "gen", "avail"])
        if state is None or state in UNENDED_IN_REDIS:
            return  # redriven meanwhile
        if int(n) > AT_ONCE_ITEMS or header.sink:  # the sweep of a sink may take long
            publish_aggregate(connections, header, slot.fleet.slots(header.queue))
            return
        with slot.holding(header.id, AGGREGATE):
            merge_all(connections, header, int(gen), int(n), work.node.fold)
    except (BatchLost, CannotTravel, DecodeError, *REDIS_ERRORS) as error:
        _left_due(header.id, error)


def run_fold(slot: Slot, batch_id: str, gen: int, segment: Segment) -> str:
    """Fold one segment of a closed batch. Redelivery: writes the same field again."""

    def act(header: Header, merge: Merge) -> str:
        return fold(slot.connections, header, gen, segment, merge)

    return _objection(slot, batch_id, gen, [segment], whole=False) or _done(slot, batch_id, act)


def run_finish(slot: Slot, batch_id: str, gen: int, segments: Sequence[Segment]) -> str:
    """Merge the folds of a closed batch and confirm the generation. Redelivery: confirms once."""

    def act(header: Header, merge: Merge) -> str:
        return finish(slot.connections, header, gen, segments, merge)

    return _objection(slot, batch_id, gen, segments, whole=True) or _done(slot, batch_id, act)


def _done(slot: Slot, batch_id: str, act: Callable[[Header, Merge], str]) -> str:
    """Run *act*, a task of the chord, with the batch's fold; a batch with nothing to merge needs no node class."""
    with slot.holding(batch_id, AGGREGATE):
        try:
            header = slot.headers.get(batch_id)
            return act(header, _work(slot, batch_id).node.fold if header.reduces else list)
        except (BatchLost, CannotTravel, DecodeError) as error:
            return _left_due(batch_id, error)


def _work(slot: Slot, batch_id: str) -> Work:
    """The batch as this process runs it, without its lifespans if they cannot be opened."""
    try:
        return slot.work(batch_id)
    except Unbuilt as unbuilt:
        return slot.unopened(batch_id, unbuilt.error)


def _objection(slot: Slot, batch_id: str, gen: int, segments: Sequence[Segment], *, whole: bool) -> str | None:
    """Why these segments cannot be folded now: they are not the batch's, or it is not closed in this generation."""
    meta = slot.connections.keys.meta(batch_id)
    state, stands, avail = slot.connections.redis.hmget(meta, ["state", "gen", "avail"])
    if state is None:
        reason = "there is no such batch"
    elif state in UNENDED_IN_REDIS or int(stands) != gen:
        reason = f"the batch is {state.decode()} in generation {int(stands)}, not closed in {gen}"
    elif not _within(segments, int(avail), whole):
        reason = f"its segments are not those of {int(avail)} items"
    else:
        return None
    log.error("an aggregation of %s was refused: %s", batch_id, reason, extra={"batch": batch_id})
    return f"refused: {reason}"


def _within(segments: Sequence[Segment], n: int, whole: bool) -> bool:
    """Whether *segments* lie within 0 … n; with *whole*, whether they cover it in order."""
    at = 0
    for start, stop in segments:
        if not 0 <= start <= stop <= n or (whole and start != at):
            return False
        at = stop
    return not whole or at == n


def _left_due(batch_id: str, error: BaseException) -> str:
    log.error("an aggregation of %s stays due: %s", batch_id, error, extra={"batch": batch_id})
    return f"stays due: {error}"
