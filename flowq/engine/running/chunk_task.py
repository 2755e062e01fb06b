"""flowq's chunk task without Celery: runs a chunk as its node requires, and the chunks that its commits take on."""

from __future__ import annotations

import logging

from redis.exceptions import ResponseError

from flowq.batch.running.sizing import BUDGET_S
from flowq.codec import loads
from flowq.core.spec import FlowSpec
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ids import is_batch_id, is_chunk_id
from flowq.engine.ledger import Claimed
from flowq.engine.redis_client import REDIS_ERRORS, is_full
from flowq.engine.running.chunk import ChunkRun
from flowq.engine.running.freed import free, give_back
from flowq.engine.running.note import Note
from flowq.engine.running.shown import Went
from flowq.engine.running.slot import ENDS_PROCESS, Slot
from flowq.engine.running.storing import JUDGED
from flowq.engine.running.stream import StreamRun
from flowq.engine.running.templates import Unbuilt
from flowq.engine.running.turn import Turn
from flowq.engine.running.work import Work
from flowq.errors import BatchLost, CannotTravel, DecodeError, UnknownNode

log = logging.getLogger("flowq.run")

BORN = "created_ms"  # tells batches with the same id apart: a lost batch may be created anew under its id
REDIS_IS_FULL = "not begun: Redis is full"
PUT_BACK = "put back: another batch has its turn"
SAID = ("busy", "paused", REDIS_IS_FULL)  # refusals of a claim that need no further explanation


def run_chunk(slot: Slot, batch_id: str, chunk_id: str, *, again: bool = False) -> str:
    """Run one chunk and return how it went, for Flower.

    *again*: the message was sent although the chunk has had one. It stands for no other chunk: in a long queue, where
    neither is lost, each of these messages would take a range, whose commit sends another, and the queue would never
    get shorter.

    Redelivery: a chunk that is done, or held by a live process, is left alone.
    """
    if not is_batch_id(batch_id) or not is_chunk_id(chunk_id):
        log.error("a chunk was refused: %.100r of %.100r is none", chunk_id, batch_id)
        return "refused"
    lacking = _lacking(slot, batch_id)
    if lacking is not None:
        return _leave(slot, batch_id, chunk_id, lacking)
    if slot.rounds.lets_pass(batch_id, chunk_id) and _put_back(slot, batch_id, chunk_id, again=again):
        return PUT_BACK
    claim = _claim(slot, batch_id, chunk_id, or_other=not again)
    if not isinstance(claim, Claimed):
        return claim if claim in SAID else _not_there(slot, batch_id, chunk_id, claim)
    with slot.rounds.turn(batch_id), slot.holding(batch_id, claim.id) as note:
        return _run_claims(slot, batch_id, claim, note)


def _lacking(slot: Slot, batch_id: str) -> str | None:
    """Why this process cannot run the batch, if an earlier attempt has shown that; else None."""
    if slot.unfit.reason(batch_id) is not None:  # no claim is made then, which would tell if the batch is another one
        slot.recognise(batch_id, slot.connections.redis.hget(slot.connections.keys.meta(batch_id), BORN))
    return slot.unfit.reason(batch_id)


def _put_back(slot: Slot, batch_id: str, chunk_id: str, *, again: bool) -> bool:
    """Put a message at the end of the queue; returns whether the batch is still there."""
    try:
        header = slot.headers.get(batch_id)
    except (BatchLost, DecodeError):
        return False
    publish_chunks(slot.connections, header, [chunk_id], again=again)
    return True


def _claim(slot: Slot, batch_id: str, chunk_id: str, *, or_other: bool) -> Claimed | str:
    """Claim the chunk of a message; *or_other*: another if a process has taken that without a message. Else why not."""
    ledger = slot.connections.ledger
    try:
        fields = [*JUDGED, BORN, *slot.headers.wanted(batch_id)]
        claim = ledger.claim(batch_id, chunk_id, slot.holder, or_other=or_other, fields=fields)
    except ResponseError as error:
        if not is_full(error):
            raise
        log.warning("a chunk was not begun: Redis is full", extra={"batch": batch_id, "chunk": chunk_id})
        return REDIS_IS_FULL
    if isinstance(claim, Claimed):
        slot.connections.crash_points.reached("claimed", batch_id)
    return claim


def _run_claims(slot: Slot, batch_id: str, claim: Claimed, note: Note) -> str:
    """Run a claimed chunk and, while this task's turn lasts, the chunks that its commits take on.

    With a message per chunk the slot would wait for longer than short chunks run.
    """
    went, turn = Went(), Turn(slot.connections, BUDGET_S)
    while True:
        try:
            told = claim.fields[len(JUDGED) :]
            if told:  # only the first claim asks for these fields; the following chunks are of the same batch
                slot.recognise(batch_id, told[0])
            slot.headers.learn(batch_id, told[1:])
            slot.pages.bring(batch_id, claim.pages, claim.content)
            work, unbuilt = _work(slot, batch_id, claim)
        except Unbuilt as error:
            return _broke_off(slot, batch_id, note.id, error.error)
        except Exception as error:  # a class unknown here, a constructor with other parameters
            return _hand_back(slot, batch_id, claim, error)
        try:
            # After a crash items of any kind run one by one: beside others, the next crash would not identify its item.
            one_by_one = claim.solo or work.header.keeps or work.refused is not None
            if (work.runner.is_async or work.in_flight > 1) and not one_by_one:
                return slot.run_async(StreamRun(slot, work, claim).run())
            run = ChunkRun(slot, work, claim, note, went, turn, unbuilt)
            refusal = run.run()
        except (BatchLost, DecodeError) as error:  # a page is missing, or this process cannot read it
            return _hand_back(slot, batch_id, claim, error)
        except (*REDIS_ERRORS, *ENDS_PROCESS):
            raise  # nothing can be given back now: the lease expires, or the main process frees the chunk
        except BaseException as error:
            return _broke_off(slot, batch_id, note.id, error)
        finally:
            slot.reports.cleared(batch_id)
        if refusal or run.following is None:
            return refusal or str(went)
        claim = run.following


def _work(slot: Slot, batch_id: str, claim: Claimed) -> tuple[Work, Exception | None]:
    """The batch as this process runs it; and, after a crash, the error for which none of its items can run here.

    Raises:
        Unbuilt: that error, as long as the chunk has not crashed.
    """
    try:
        return slot.work(batch_id), None
    except Unbuilt as unbuilt:
        if not claim.solo:
            raise
        return slot.unopened(batch_id, unbuilt.error), unbuilt.error


def _hand_back(slot: Slot, batch_id: str, claim: Claimed, error: BaseException) -> str:
    """Give the rest of a claim back without counting a crash: another worker may know what this one lacks."""
    give_back(slot.connections.ledger, batch_id, claim.id, claim.start, slot.holder, "hand")
    wanted = _node_classes(slot, batch_id) if isinstance(error, UnknownNode) else frozenset()
    return _leave(slot, batch_id, claim.id, slot.unfit.note(batch_id, error, wanted))


def _broke_off(slot: Slot, batch_id: str, chunk_id: str, error: BaseException) -> str:
    """Give the rest of a chunk back after an unexpected error, as if this process had died of it.

    The error may be caused by one item and recur: counted as crashes it ends with that item, and spares the others.
    """
    log.error("a chunk broke off", exc_info=error, extra={"batch": batch_id, "chunk": chunk_id})
    free(slot.connections, slot.headers, batch_id, chunk_id, slot.holder, "crash")
    return f"broke off: {type(error).__name__}: {error}"


def _leave(slot: Slot, batch_id: str, chunk_id: str, reason: str) -> str:
    """Leave a chunk that nobody holds: publish it if another worker can run it now, else leave that to the ledger."""
    try:
        header = slot.headers.get(batch_id)
    except (BatchLost, DecodeError):
        return slot.leave(batch_id, chunk_id, reason)
    wanted = slot.unfit.wanted(batch_id)
    others = [one for one in slot.fleet.workers(header.queue) if one.name != slot.worker]
    if any(wanted <= set(one.nodes) for one in others) and slot.unfit.may_pass_on(batch_id, chunk_id):
        publish_chunks(slot.connections, header, [chunk_id])
        return f"passed on: {reason}"
    return slot.leave(batch_id, chunk_id, reason)


def _node_classes(slot: Slot, batch_id: str) -> frozenset[str]:
    """The names of the node classes in a batch's graph; none if it cannot be read."""
    try:
        graph = FlowSpec.from_plain(loads(slot.headers.get(batch_id).spec))
    except (CannotTravel, DecodeError):
        return frozenset()
    return frozenset(graph.class_names())


def _not_there(slot: Slot, batch_id: str, chunk_id: str, answer: str) -> str:
    """Why a chunk is not open: it is done (not worth a log line), or its batch is missing or of another flowq."""
    try:
        slot.headers.get(batch_id)
    except BatchLost:
        log.error("chunk %s was refused: there is no such batch: %s", chunk_id, batch_id, extra={"batch": batch_id})
    except DecodeError as error:
        return slot.leave(batch_id, chunk_id, slot.unfit.note(batch_id, error))
    return answer
