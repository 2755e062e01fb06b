"""Chunks of concurrent items: one event loop claims ranges as places become free, and commits them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from flowq.batch.results.done import ItemDone, Park
from flowq.batch.running.sizing import floor_size, next_size
from flowq.batch.running.twins import Twin
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ids import generation
from flowq.engine.known_sizes import Sizes
from flowq.engine.ledger import Claimed, Committed, Give, Stale
from flowq.engine.limits.permits import PARK_OVER_S
from flowq.engine.reading.results import read_state
from flowq.engine.redis_client import AWAY_ERRORS
from flowq.engine.running.free_places import FreePlaces
from flowq.engine.running.freed import free
from flowq.engine.running.garbage import collected_seldom
from flowq.engine.running.held_range import HeldRange
from flowq.engine.running.overhang import Overhang
from flowq.engine.running.pace import Pace
from flowq.engine.running.shown import Went
from flowq.engine.running.slept import SHORT_S, others_wait
from flowq.engine.running.slot import NO_CRASH, Slot
from flowq.engine.running.storing import follow, store
from flowq.engine.running.turn import Turn
from flowq.engine.running.twin_outcomes import twin_of
from flowq.engine.running.work import Work
from flowq.errors import BatchLost, DecodeError

T = TypeVar("T")

COMMIT_S = 0.2
TAKE_FOR_S, ALONE_FOR_S = 2.0, 600.0
PARKING_S = 0.002  # what parking an item costs this process, in which all of its places could run others
MAX_HELD = 100  # records; the capacity of a process's board


class StreamRun:
    """What one Celery task does with an async batch: it begins with the claimed chunk and takes further ranges.

    It takes ranges for two seconds, and for minutes if nobody else can want its slot, because its end leaves places
    empty until its slowest item ends. Every range is an open record in the ledger, with beats and commits like any
    other, so a crash loses nothing.
    """

    def __init__(self, slot: Slot, work: Work, claim: Claimed) -> None:
        self._slot, self._work = slot, work
        self._first = claim
        self._gen = generation(claim.id)
        self._ranges: dict[str, HeldRange] = {}
        self._of_index: dict[int, HeldRange] = {}
        self._twins: dict[int, list[int]] = {}  # of items that run here: begun as these end
        self._pace = Pace()
        self._went = Went()
        self._closed = self._overtaken = False
        self._others_wait = False  # for places under a ``concurrency``: any that an item leaves is for one of them
        self._held_s = 0.0
        self._in_flight = work.in_flight
        self._last_size = claim.stop - claim.start
        self._turn = Turn(slot.connections, TAKE_FOR_S, ALONE_FOR_S)
        self._overhang = Overhang()
        self._places = FreePlaces(work.in_flight)
        self._committing = asyncio.Lock()
        self._limited = work.policy.concurrency is not None or bool(work.header.root)

    async def run(self) -> str:
        """Run until the turn is over or nothing is left, commit everything, and return how it went."""
        try:
            with collected_seldom(self._in_flight):
                await self._run()
            await self._commit_finished(final=True)
            await asyncio.to_thread(self._hand_on)
        except NO_CRASH:
            raise
        except BaseException:  # unexpected: counted for all items that ran here, as if this process had died of it
            # The end of a process of a stopping worker cancels this, too: as with what a dead process held, no crash.
            await asyncio.to_thread(self._free_all, "hand" if self._slot.holds.stopping() else "crash")
            raise
        finally:
            # Whatever ended it (Redis away): no item runs here any more, so beating for the ranges must stop.
            for held in list(self._ranges.values()):
                self._drop(held)
        return str(self._went)

    async def _run(self) -> None:
        running = asyncio.ensure_future(
            self._work.runner.run_async(
                self._items(),
                self._in_flight,
                self._finish,
                park_over_s=PARK_OVER_S,
                retry_over_s=self._retry_over_s,
            )
        )
        try:
            while not running.done():
                await asyncio.wait([running], timeout=COMMIT_S)
                await self._leave_rest()
                await self._commit_finished(final=False)
                if self._closed:
                    break
        finally:
            if not running.done():
                running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        if not running.cancelled():
            self._held_s = running.result()

    def _retry_over_s(self) -> float:
        """The longest wait for a next try in which an item keeps its place, if others could have that meanwhile."""
        if self._work.journeys is not None or (self._places.starved and not self._others_wait):
            return PARK_OVER_S
        return min(PARK_OVER_S, max(SHORT_S, PARKING_S * self._in_flight))

    def _free_all(self, cause: Give) -> None:
        slot, batch_id = self._slot, self._work.header.id
        for chunk_id in list(self._ranges):
            free(slot.connections, slot.headers, batch_id, chunk_id, slot.holder, cause)
        self._hand_on()

    def _hand_on(self) -> None:
        """Publish the reserved chunks, since nothing more is taken here."""
        publish_chunks(self._slot.connections, self._work.header, self._places.hand_on())

    # -- taking --------------------------------------------------------------------------------------------------

    async def _items(self) -> AsyncIterator[tuple[int, Any, int]]:
        claim: Claimed | None = self._first
        self._hold(self._first)
        while claim is not None:
            held = self._ranges[claim.id]
            while held.given < held.stop and not held.left:
                items = await self._read(held, claim)
                if items is None:
                    return
                for index, item in enumerate(items, held.given):
                    if self._closed or self._slot.holds.stopping():
                        return
                    # Behind a gate a range may take any time, as may what runs here: others get the rest of it.
                    if self._work.gate is not None and await self._is_over():
                        held.left = True
                        await self._let_others()
                        return
                    if held.left:
                        break
                    self._of_index[index] = held
                    tries = held.begin(index)
                    if type(item) is Twin:
                        if item.first in self._of_index:
                            self._twins.setdefault(item.first, []).append(index)
                        else:
                            self._finish(index, await self._copied(held, index, item, tries))
                    else:
                        yield index, item, tries
            claim = await self._next()

    async def _copied(self, held: HeldRange, index: int, twin: Twin, polls: int) -> ItemDone:
        """The outcome of a twin whose first item does not run here: a copy, or parked until that has ended."""
        for other in self._ranges.values():
            if twin.first in other.finished:
                return twin_of(other.finished[twin.first], index, twin.first)
        gen, batch_id = generation(held.id), self._work.header.id
        try:
            return await asyncio.to_thread(self._slot.twins.of, batch_id, gen, index, twin.first, polls)
        except AWAY_ERRORS:
            return ItemDone(park=Park(index, polls, 1.0, "Redis did not answer"))

    async def _next(self) -> Claimed | None:
        """The next range; None if there is none and nothing runs here, or if this task's turn is over.

        While items run, this process is occupied anyway, so ranges that become free meanwhile may fill the places that
        ended items left. Under a ``concurrency``, ended items make room for more once they are committed.
        """
        places, gate = self._places, self._work.gate
        while not self._closed and not await self._is_over():
            places.look()
            if self._overhang.waits(places.item_s()):
                await self._let_others()
                await places.wait()
                continue
            claim = await _to_its_end(self._take())
            # With permits per key, a chunk reserved here would wait behind items whose keys have none: publish it then.
            keeps = gate is None or gate.per_s is not None or places.crowded
            places.starved = claim is None and keeps
            if not places.starved:
                return claim
            if self._of_index:
                await places.wait()
                if places.crowded:
                    await _to_its_end(self._commit_finished(final=False))
            elif not places.has_changed and not await self._has_let_go():
                break
        await self._let_others()
        return None

    async def _let_others(self) -> None:
        """Leave the places of what runs here to others, as it may take any time, and the reserved chunks."""
        self._places.starved, self._places.crowded = False, self._limited
        await _to_its_end(asyncio.to_thread(self._hand_on))

    async def _leave_rest(self) -> None:
        """If the batch is paused or the worker is stopping, give up the items of held ranges that have not begun."""
        begins = [held for held in self._ranges.values() if held.given < held.stop]
        if not begins:
            return
        if self._slot.holds.stopping() or await asyncio.to_thread(self._is_paused):
            for held in begins:
                held.left = True

    async def _has_let_go(self) -> bool:
        """Commit what has ended; returns whether this, or a commit in progress, released a range."""
        held = len(self._ranges)
        await _to_its_end(self._commit_finished(final=False))
        return len(self._ranges) < held

    async def _take(self) -> Claimed | None:
        """Claim a reserved chunk or else a free range, if there is one."""
        if len(self._ranges) >= MAX_HELD:
            self._places.crowded = True
            return None
        most = self._size().size
        chunk_id = self._places.take_reserved()
        slot, batch_id = self._slot, self._work.header.id
        try:
            claim = await asyncio.to_thread(slot.connections.ledger.claim, batch_id, chunk_id, slot.holder, most=most)
            if isinstance(claim, Claimed) and self._is_overtaken(claim):
                self._overtaken, self._closed = True, self._closed or generation(claim.id) != self._gen
                await asyncio.to_thread(free, slot.connections, slot.headers, batch_id, claim.id, slot.holder, "hand")
                return None
            self._others_wait = claim == "busy" and await asyncio.to_thread(others_wait, slot.connections, batch_id)
        except AWAY_ERRORS:
            return None
        self._places.crowded = claim == "busy"
        if not isinstance(claim, Claimed):
            if chunk_id and claim in ("busy", "gone"):
                # Another process took it as one whose message waits: send that message, which stands for another now.
                await asyncio.to_thread(publish_chunks, slot.connections, self._work.header, [chunk_id])
            return None
        self._last_size = claim.stop - claim.start
        self._hold(claim)
        return claim

    def _is_overtaken(self, claim: Claimed) -> bool:
        """Whether *claim* shows that the items running here are no longer this process's: the batch was redriven, or
        others held these very items and gave them back. Run twice at once, an item would end with the first result.
        """
        return generation(claim.id) != self._gen or any(claim.start <= one < claim.stop for one in self._of_index)

    async def _is_over(self) -> bool:
        """Whether this task takes nothing more: its turn is over, and the slot is free but for what began after that;
        or it was overtaken; or the worker is stopping.
        """
        if self._overtaken or self._slot.holds.stopping():
            return True
        if self._turn.is_sure() or await asyncio.to_thread(self._turn.lasts):
            self._overhang.off()
            return False
        return not (self._turn.may_last() and self._overhang.lasts(self._of_index))

    async def _read(self, held: HeldRange, claim: Claimed) -> list[Any] | None:
        """The items of a range that follow, some at a time; None: they cannot be read."""
        batch_id, start = self._work.header.id, held.given
        try:
            items = await asyncio.to_thread(self._slot.pages.read, batch_id, start, claim.stop, claim.pages)
            if self._work.gate is not None:
                await asyncio.to_thread(self._work.gate.expect, items)
            if self._work.policy.item_events:
                shown, upto = self._slot.item_events.taken, start + len(items)
                await asyncio.to_thread(shown, self._work, start, upto, begun=self._in_flight)
        except (BatchLost, DecodeError) as error:
            # What is held goes back at the end; another process may be able to read it.
            reason = self._slot.unfit.note(batch_id, error)
            await asyncio.to_thread(self._slot.leave, batch_id, held.id, reason)
            return None
        except AWAY_ERRORS:
            return None  # what has begun is finished and committed; what has not goes back then
        return items

    def _hold(self, claim: Claimed) -> None:
        if self._work.journeys is not None:
            self._work.journeys.begin(generation(claim.id), claim.start, claim.reached)
        self._ranges[claim.id] = HeldRange.of(claim)
        self._slot.holds.hold(self._work.header.id, claim.id, self._slot.holder)

    def _drop(self, held: HeldRange) -> None:
        self._ranges.pop(held.id, None)
        self._places.changed()
        self._slot.holds.release(self._work.header.id, held.id)

    def _finish(self, index: int, done: ItemDone) -> None:
        held = self._of_index.pop(index)
        self._slot.reports.ended(self._work.header.id, index)
        held.finished[index] = done
        if done.seconds:  # a copy takes none
            self._places.ended(done.seconds)
        for twin in self._twins.pop(index, ()):
            self._finish(twin, twin_of(done, twin, index))
        if not self._of_index or (self._places.crowded and held.is_over()):
            self._places.changed()

    def _size(self) -> Sizes:
        items, seconds = self._pace.lately()
        size = max(self._in_flight, next_size(self._last_size, items, seconds))
        per_s = None if self._work.gate is None else self._work.gate.per_s
        if per_s is not None:
            size = min(size, max(1, int(per_s * TAKE_FOR_S)))
        return Sizes(size, floor_size(items, seconds))

    # -- committing ----------------------------------------------------------------------------------------------

    async def _commit_finished(self, *, final: bool) -> None:
        async with self._committing:
            await self._commit_ranges(final=final)

    async def _commit_ranges(self, *, final: bool) -> None:
        if self._slot.holds.gone():  # not committed: an item that saw the cancellation may have returned anything
            self._closed = True
            return
        for held in list(self._ranges.values()):
            if not final and held.left and held.given < held.stop:
                running = held.running()  # each as a record of its own, so that others can run the rest meanwhile
                if len(self._ranges) - 1 + len(running) <= MAX_HELD:
                    await self._commit(held, held.given, "back" if held.given > held.at else "hand", running)
                    continue
            # A range that has not begun in full is not split: others would begin items for the places of its slow ones.
            if not final and not (self._limited and held.given < held.stop):
                upto, slow = held.slow(self._places.late_s(), MAX_HELD - len(self._ranges))
                if slow:
                    await self._commit(held, upto, "", slow)
                    continue
            upto = held.ready()
            if upto > held.at or (final and held.at < held.stop):
                give: Give = "" if not final or upto == held.stop else "back" if upto > held.at else "hand"
                if give and self._held_s:
                    give = "wait"
                await self._commit(held, upto, give, [])

    async def _commit(self, held: HeldRange, upto: int, give: Give, slow: list[int]) -> None:
        done = held.done(upto, slow, self._slot.worker)
        done.held_s = self._held_s
        reply = await asyncio.to_thread(store, self._slot, self._work, held.id, done, give, self._size(), split=slow)
        if isinstance(reply, Committed):
            before = self._went.items
            self._went.add(done)
            self._pace.ended(self._went.items - before)
            for index in slow:
                self._split(held, index)
            held.advance(upto)
            # Chunks without a place here are published.
            keep = [] if self._slot.holds.stopping() else self._places.reserve(reply.ids, len(self._of_index))
            await asyncio.to_thread(follow, self._slot, self._work, reply, done, keep=keep)
            self._closed = self._closed or bool(reply.ended)
            if give or held.at >= held.stop:
                self._drop(held)
        elif isinstance(reply, Stale):
            held.advance(reply.start)
        else:
            self._drop(held)
            self._closed = self._closed or await asyncio.to_thread(self._has_ended)

    def _split(self, held: HeldRange, index: int) -> None:
        """Keep a slow item, which holds back finished ones, as a record of its own."""
        alone = held.split(index)
        self._ranges[alone.id] = alone
        self._slot.holds.hold(self._work.header.id, alone.id, self._slot.holder)
        if index in self._of_index:
            self._of_index[index] = alone

    def _is_paused(self) -> bool:
        connections = self._slot.connections
        try:
            return bool(connections.redis.hget(connections.keys.meta(self._work.header.id), "state") == b"paused")
        except AWAY_ERRORS:
            return False  # asked again in a moment

    def _has_ended(self) -> bool:
        """Whether the generation that runs here has ended; the next one may already run."""
        try:
            state = read_state(self._slot.connections, self._work.header.id)
            return state.closed or state.gen != self._gen
        except AWAY_ERRORS:
            return False  # asked again at the next refusal; a beat for what is held also learns that it is gone


async def _to_its_end(coroutine: Coroutine[Any, Any, T]) -> T:
    """Await *coroutine*, and let it finish even if this is cancelled: its call to the ledger takes effect anyway, and a
    range that this process holds unknowingly would be missing until its lease expires."""
    task = asyncio.ensure_future(coroutine)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
