"""What follows a run of items: their outcomes are stored, what that opened is published, all is counted and shown."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from redis.exceptions import ResponseError

from flowq.batch.results.done import Done, Park
from flowq.batch.running.sizing import busy_chunks, weighed
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ending.family import end_plain, wake_starved
from flowq.engine.ending.sink_sweep import take_back
from flowq.engine.ids import generation
from flowq.engine.known_sizes import Sizes
from flowq.engine.ledger import Committed, Give, Parked, Refusal, Stale, Tally
from flowq.engine.patience import when_taken
from flowq.engine.redis_client import REDIS_ERRORS, is_full
from flowq.engine.running.aggregate import aggregate
from flowq.engine.running.commit_blobs import TooLargeTogether, encode
from flowq.engine.running.slot import Slot
from flowq.engine.running.work import Work
from flowq.errors import BatchLost, DecodeError

log = logging.getLogger("flowq.chunk")

# Fields returned with a claim, from which the process knows when the batch has failed.
JUDGED = ("failed", "sealed", "avail", "gen", "budget", "share")


def store(
    slot: Slot,
    work: Work,
    chunk_id: str,
    done: Done,
    give: Give,
    sizes: Sizes,
    *,
    split: Sequence[int] = (),
    go_on: bool = False,
) -> Committed | Stale | Refusal:
    """Store *done* in the ledger; the items in *split*, which it lacks, run on as records of their own.

    With *go_on* this process takes another chunk in the same step. Chunks that follow are of *sizes*, or of fewer items
    where that many would bring too much.

    While Redis is full this is retried for 5 min, with the lease kept; then the range is given back as it was. With
    ``give="wait"`` the rest of the range is due after ``done.held_s``.
    """
    slot.connections.crash_points.reached("ran", work.header.id)
    try:
        brought = encode(done, work, generation(chunk_id))
    except TooLargeTogether:
        first, rest = done.halves()
        before = store(slot, work, chunk_id, first, "", sizes, split=split)
        if not isinstance(before, Committed) or before.ended:
            return before
        reply = store(slot, work, chunk_id, rest, give, sizes, split=split, go_on=go_on)
        return replace(reply, ids=before.ids + reply.ids) if isinstance(reply, Committed) else reply
    sizes = Sizes(*(weighed(items, len(done.values), brought.size_bytes, work.in_flight) for items in sizes))
    slot.sizes.note(work.header.spec, sizes)
    tally = tally_of(done, split)
    ledger, batch_id = slot.connections.ledger, work.header.id

    def commit() -> Committed | Stale | Refusal:
        return ledger.commit(
            batch_id, chunk_id, done.start, done.upto, slot.holder, brought.blob, tally,
            part=brought.part, give=give, size=sizes.size, floor=sizes.floor, wait_ms=int(done.held_s * 1000),
            most=most_chunks(work, done), go_on=JUDGED if go_on else None,
        )  # fmt: skip

    try:
        reply = when_taken(commit, log_as={"batch": batch_id, "chunk": chunk_id})
    except ResponseError as error:
        if not is_full(error):
            raise
        log.error("Redis stays full: items were run in vain", extra={"batch": batch_id, "chunk": chunk_id})
        ledger.commit(batch_id, chunk_id, done.start, done.start, slot.holder, give="hand")
        return "busy"
    if work.sink is not None and not isinstance(reply, Committed):
        take_back(slot.connections, work.header, work.sink, chunk_id, brought.blob)
    return reply


def tally_of(done: Done, split: Sequence[int]) -> Tally:
    """The counts and records for the commit of *done*; the items in *split* run on instead of being parked."""
    counts = done.counts()
    return Tally(
        counts["ok"], counts["fallback"], counts["failed"], counts["retried"],
        [outcome.index for outcome in done.notable.values() if outcome.status == "failed"],
        [as_parked(park) for park in done.parked if park.index not in split],
        [(index, b"") for index in split if done.start <= index < done.upto],
    )  # fmt: skip


def as_parked(park: Park) -> Parked:
    """The ledger's record of a parked item."""
    due_ms = -1 if park.due_in_s is None else int(park.due_in_s * 1000)
    return Parked(
        park.index, park.tries, due_ms, park.reason if park.facts else "retry", " ".join(park.facts), park.reached
    )


def most_chunks(work: Work, done: Done) -> int:
    """The most open chunks that the batch's rate keeps busy, by the item times in *done*; 0: no such limit."""
    n = len(done.values) - len(done.parked)
    if work.gate is None or work.gate.per_s is None or n == 0:
        return 0
    return busy_chunks(work.gate.per_s, done.item_seconds / n, work.in_flight)


def follow(slot: Slot, work: Work, reply: Committed, done: Done, *, keep: Sequence[str] = ()) -> None:
    """Publish the chunks that the commit of *done* opened, except *keep*; count and show its outcomes.

    What fails here is repeated by a caretaker, and affects nothing else.
    """
    crash_points = slot.connections.crash_points
    crash_points.reached("committed", work.header.id)
    publish_chunks(slot.connections, work.header, [one for one in reply.ids if one not in keep])
    if reply.ended:
        crash_points.reached("closed", work.header.id)
    if work.header.root and not reply.opened and not reply.ids:
        with _left_to_the_caretaker(work.header.id):  # its rounds let every batch use free places
            wake_starved(slot.connections, slot.headers, work.header.root, slot.fleet)
    if reply.ended and (work.header.parent or work.header.has_store) and not work.header.reduces:
        # Nothing to merge, so that the aggregator's work is done here. It stays due until the confirmation.
        with _left_to_the_caretaker(work.header.id):
            end_plain(slot.connections, work.header)
    slot.meter.done(work.header.queue, work.header.node, done)
    slot.item_events.done(work, done)
    if reply.ended and work.header.reduces:
        aggregate(slot, work)


@contextmanager
def _left_to_the_caretaker(batch_id: str) -> Iterator[None]:
    """Log what fails in the block; a caretaker does it later."""
    try:
        yield
    except (BatchLost, DecodeError, *REDIS_ERRORS) as error:
        extra = {"batch": batch_id, "error": repr(error)}
        log.warning("what follows a commit is left to a caretaker", extra=extra)
