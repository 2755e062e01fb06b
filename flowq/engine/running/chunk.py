"""A claimed chunk, run item by item in this process: read, run, commit, publish."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from itertools import takewhile
from typing import Any

from flowq.batch.policies.policy import allowed
from flowq.batch.results.done import Done, ItemDone
from flowq.batch.results.outcome import Outcome
from flowq.batch.running.sizing import BUDGET_S, floor_size, next_size, overstay
from flowq.batch.running.tries import as_failure
from flowq.batch.running.twins import Twin, until_change
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ids import generation, split_id
from flowq.engine.known_sizes import Sizes
from flowq.engine.ledger import Claimed, Committed, Give, Refusal, Stale, Tally
from flowq.engine.limits.permits import PARK_OVER_S
from flowq.engine.running.note import Note
from flowq.engine.running.overtime import item_limit_s
from flowq.engine.running.shown import Went
from flowq.engine.running.slot import NO_CRASH, Slot
from flowq.engine.running.storing import JUDGED, follow, store
from flowq.engine.running.turn import Turn
from flowq.engine.running.twin_outcomes import twin_of
from flowq.engine.running.weight import Weight
from flowq.engine.running.work import Work
from flowq.engine.stored.on_the_way import write
from flowq.engine.walks.journeys import Abandoned
from flowq.errors import ItemError, ItemTimeout, SinkFailed, WorkerCrashed, WorkerLost

log = logging.getLogger("flowq.chunk")

LOOK_EVERY_S = 0.2  # how often to check whether an async item is still wanted
MAX_CRASHES = 2
MAX_LOSSES = 5


class ChunkRun:
    """Runs a claimed range item by item; that of an async batch only after a crash, with a commit per item.

    Args:
        slot, work: this process, and the batch in it.
        claim: the range.
        note: marks it as held; a durable run moves to another record with every step.
        went: sums up the outcomes.
        turn: while it lasts, the last commit of short items takes another chunk for this process.
        unbuilt: the error for which none of its items can run here; None: they can.

    Attributes:
        following: that next chunk, already noted as held; None: there is none, or the turn is over.
    """

    following: Claimed | None = None

    def __init__(
        self,
        slot: Slot,
        work: Work,
        claim: Claimed,
        note: Note,
        went: Went,
        turn: Turn,
        unbuilt: Exception | None = None,
    ) -> None:
        self._unbuilt = unbuilt
        self._slot, self._work, self._claim, self._note = slot, work, claim, note
        if work.journeys is not None:
            keep = self._keep if work.header.keeps else None
            work.journeys.begin(generation(claim.id), claim.start, claim.reached, keep)
        self._at = claim.start
        self._attempts = claim.attempts
        self._began = time.perf_counter()
        self._done_items = 0
        self._went, self._turn = went, turn
        failed, sealed, avail, gen, budget = (int(field or 0) for field in claim.fields[: len(JUDGED) - 1])
        share = float(claim.fields[len(JUDGED) - 1] or -1)
        # The failure past the budget ends the run, as the batch has then failed. A redrive has no budget.
        total = avail if sealed else None
        put_up_with = allowed(None if budget < 0 else budget, None if share < 0 else share, total)
        self._failures_left = math.inf if gen else put_up_with - failed

    def run(self) -> str:
        """Run it as far as it is wanted; returns why its outcomes were refused, "" if they were not."""
        claim = self._claim
        killed = doomed(self._slot, self._work, claim)
        self._slot.item_events.taken(self._work, claim.start, claim.stop, begun=1)
        while self._at < claim.stop:
            try:
                done = killed or self._run_items()
            except Abandoned:
                return "gone"
            except NO_CRASH:
                raise
            except BaseException as error:
                if not claim.solo:
                    raise
                done = self._failed(error)  # it ran alone and it is the second time: the item is the cause
            killed = None
            if self._slot.holds.gone():  # not committed: an item that saw the cancellation may have returned anything
                return "gone"
            give: Give = "wait" if done.held_s else "back" if done.upto < claim.stop and self._is_over() else ""
            reply = self._commit(done, give)
            if isinstance(reply, Committed):
                self._done_items += len(done.values)
                self._went.add(done)
                self._at, self._attempts = done.upto, 0
                self._failures_left -= done.counts()["failed"]
                self._work.slept.note(done)
                self.following = reply.following
                if reply.following is not None:
                    self._slot.connections.crash_points.reached("going on", self._work.header.id)
                    self._note.move(reply.following.id)
                follow(self._slot, self._work, reply, done)
                if give or reply.ended:
                    break
            elif isinstance(reply, Stale):
                self._at, self._attempts = reply.start, 0
            else:
                return reply
        return ""

    def _may_go_on(self, done: Done, give: Give) -> bool:
        """Whether this process takes its next chunk without a message, after a commit of *done* that ends its range."""
        return (
            done.upto == self._claim.stop
            and not give
            and not self._claim.solo
            and self._work.journeys is None
            and not self._slot.holds.stopping()
            and self._turn.lasts()
        )

    def _keep(self, index: int, state: bytes) -> None:
        """Commit the item as a record of its own, which continues from *state* if this process dies.

        Raises:
            Abandoned: another process holds it by now, or the batch is closed.
            OutOfReach: Redis does not accept it.
        """
        batch_id, work = self._work.header.id, self._work
        reply = write(
            lambda: self._slot.connections.ledger.commit(
                batch_id, self._note.id, index, index + 1, self._slot.holder, tally=Tally(split=[(index, state)])
            ),
            log_as={"batch": batch_id, "chunk": self._note.id},
        )
        if not isinstance(reply, Committed):
            raise Abandoned
        self._slot.connections.crash_points.reached("kept", batch_id)
        self._note.move(split_id(self._note.id, index))
        publish_chunks(self._slot.connections, work.header, reply.ids)

    def _is_over(self) -> bool:
        """Whether to give the rest of the range back: it takes too long, the worker stops, or it is not wanted."""
        holds = self._slot.holds
        return overstay(time.perf_counter() - self._began) or holds.stopping() or holds.gone()

    def _run_items(self) -> Done:
        if self._unbuilt is not None:
            return self._failed(self._unbuilt)
        claim, batch_id = self._claim, self._work.header.id
        if self._work.refused is not None:
            return self._refuse_items(self._work.refused)
        # After a crash each item has a commit of its own, so that the next crash identifies its item.
        stop = self._at + 1 if claim.solo else claim.stop
        items = self._slot.pages.read(batch_id, self._at, stop, claim.pages)
        if self._work.runner.is_async and type(items[0]) is not Twin:
            return self._slot.run_async(self._run_alone(items[0]))
        run = partial(self._run_some, retry_over_s=self._retry_over_s())
        if self._work.node.computes_once:
            return self._run_with_twins(items, run)
        return run(items, self._at, self._failures_left, tries=self._attempts)

    def _run_with_twins(self, items: list[Any], run: Callable[..., Done]) -> Done:
        """Run items, with copies of their outcomes for the twins among them, or copy first what others have run.

        Outcomes of others are looked up at the start of a commit only, so this ends at a twin of theirs.
        """
        place, are_twins = until_change(items, 0)
        if are_twins:
            return self._copy(items[:place])
        done, weight = run(items[:place], self._at, self._failures_left, tries=self._attempts), Weight()
        failures_left = self._failures_left - done.counts()["failed"]
        while place < len(items) and done.upto == self._at + place and failures_left >= 0 and not done.held_s:
            if self._is_over() or weight.is_too_much(done.values):
                break
            upto, are_twins = until_change(items, place)
            if are_twins:
                ours = takewhile(lambda twin: twin.first >= done.start, items[place:upto])
                firsts = [twin.first for twin in ours]
                copies = [twin_of(done.item(first), index, first) for index, first in enumerate(firsts, done.upto)]
                following = Done.gather(done.upto, copies)
            else:
                following = run(items[place:upto], done.upto, failures_left)
            failures_left -= following.counts()["failed"]
            done.extend(following)
            place = upto
        return done

    def _run_some(
        self, items: list[Any], start: int, failures_left: float, *, tries: int = 0, retry_over_s: float
    ) -> Done:
        limit_s = item_limit_s(self._work.policy)
        holds, weight = self._slot.holds, Weight()
        try:
            return self._work.runner.run(
                items,
                start,
                tries=tries,
                stop=lambda values, _: self._is_over() or weight.is_too_much(values),
                watch=partial(holds.running, limit_s=limit_s) if self._claim.solo or limit_s else None,
                park_over_s=PARK_OVER_S,
                retry_over_s=retry_over_s,
                max_failed=failures_left,
            )
        finally:
            holds.idle()

    def _retry_over_s(self) -> float:
        work = self._work
        if work.journeys is not None or self._claim.solo:
            return PARK_OVER_S
        return work.slept.retry_over_s(self._slot.connections, work.header.id)

    def _refuse_items(self, error: SinkFailed) -> Done:
        """Failed outcomes of items that do not run, as their sink may not be written: as many as may still fail."""
        most = max(1, int(min(self._claim.stop - self._at, self._failures_left + 1)))
        done = Done(self._at, [None] * most, worker=self._slot.worker, started_at=time.time())
        for index in range(done.start, done.upto):
            tries = self._attempts if index == self._at else 0
            done.notable[index] = Outcome(index, "failed", error=error, attempts=tries)
        return done

    def _failed(self, error: BaseException) -> Done:
        log.error(
            "an item broke its chunk off", exc_info=error, extra={"batch": self._work.header.id, "item": self._at}
        )
        outcome = Outcome(self._at, "failed", error=as_failure(error), attempts=self._attempts + 1)
        return Done(self._at, [None], {self._at: outcome}, worker=self._slot.worker, started_at=time.time())

    def _copy(self, twins: list[Twin]) -> Done:
        """The outcomes of twins: each is a copy of its first item's, or parked until that has ended."""
        started_at, slot = time.time(), self._slot
        gen, batch_id = generation(self._claim.id), self._work.header.id
        ended = (
            slot.twins.of(batch_id, gen, index, twin.first, 0 if index > self._at else self._attempts)
            for index, twin in enumerate(twins, self._at)
        )
        return Done.gather(self._at, ended, worker=slot.worker, started_at=started_at)

    async def _run_alone(self, item: Any) -> Done:
        """Run the next item of an async batch alone."""
        started_at, ended = time.time(), list[ItemDone]()

        async def only() -> AsyncIterator[tuple[int, Any, int]]:
            yield self._at, item, self._attempts

        running = asyncio.ensure_future(
            self._work.runner.run_async(only(), 1, lambda _, done: ended.append(done), park_over_s=PARK_OVER_S)
        )
        while not running.done() and not self._slot.holds.gone():
            await asyncio.wait([running], timeout=LOOK_EVERY_S)
        if not running.done():
            running.cancel()
        await asyncio.wait([running])
        held_s = 0.0 if running.cancelled() else running.result()
        done = Done.gather(self._at, ended, worker=self._slot.worker, started_at=started_at)
        done.held_s = held_s
        return done

    def _commit(self, done: Done, give: Give) -> Committed | Stale | Refusal:
        elapsed_s = time.perf_counter() - self._began
        n = self._done_items + len(done.values)
        sizes = Sizes(next_size(self._claim.stop - self._claim.start, n, elapsed_s), floor_size(n, elapsed_s))
        go_on = elapsed_s < BUDGET_S * n and self._may_go_on(done, give)
        return store(self._slot, self._work, self._note.id, done, give, sizes, go_on=go_on)


def doomed(slot: Slot, work: Work, claim: Claimed) -> Done | None:
    """The failed outcome of an item that has crashed its process or lost its workers too often to be tried again."""
    error: ItemError
    # A node without a timeout in this process's code (any more) cannot fail for one.
    if claim.overtime and work.policy.timeout is not None:
        error = ItemTimeout(work.policy.timeout)
    elif claim.crashes >= MAX_CRASHES:
        error = WorkerCrashed(f"the process that ran item {claim.start} died {claim.crashes} times")
    elif claim.losses >= MAX_LOSSES:
        error = WorkerLost(f"{claim.losses} workers were lost while they held item {claim.start}")
    else:
        return None
    outcome = Outcome(claim.start, "failed", error=error, attempts=max(claim.crashes, claim.losses))
    return Done(claim.start, [None], {claim.start: outcome}, worker=slot.worker, started_at=time.time())
