"""InFlight: runs items concurrently in an event loop: async ones as tasks, blocking ones in threads.

A source gives the items, a sink takes their outcomes. No task is left running.
"""

from __future__ import annotations

import asyncio
import contextvars
import copy
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

from flowq.batch.results.done import ItemDone
from flowq.batch.running.gate import Entry, Held, Later
from flowq.batch.running.threads import until_ended
from flowq.batch.running.together import Given, TriesTogether, probes
from flowq.batch.running.tries import Interrupted, Tries
from flowq.core.drive import Steps, drive, drive_async
from flowq.core.journey import Left

_LINGER_S = 0.02
"""Seconds that an incomplete group waits for one more item."""

Source = AsyncIterator[tuple[int, Any, int]]
Sink = Callable[[int, ItemDone], object]


class InFlight:
    """Items of one batch, at most *places* of them at once.

    Args:
        tries: runs the tries of one item.
        places: number of items running at once, ≥ 1.
        sink: ``sink(index, item_done)`` is called in the loop when an item ends. An exception from it ends the run.
        park_over_s: an item that must wait longer is parked; None: it sleeps for any time.
        retry_over_s: the same for waits between two tries, asked for each item (None: as *park_over_s*).
    """

    def __init__(
        self,
        tries: Tries,
        places: int,
        sink: Sink,
        *,
        park_over_s: float | None,
        retry_over_s: Callable[[], float | None] | None = None,
    ) -> None:
        self._tries = copy.copy(tries)
        self._tries.cancelled = self._cancelled
        self._batch_cancelled = tries.cancelled
        self._closing = False
        self._held_s = 0.0
        # Limited: when most keys must wait, taking more items would only book starts ever later.
        self._apart, self._most_apart = 0, max(1, places // 10)
        self._sink = sink
        self._park_over_s = park_over_s
        self._retry_over_s = retry_over_s or (lambda: park_over_s)
        self._places = asyncio.Semaphore(places)
        self._pool = None if tries.is_async else ThreadPoolExecutor(places, thread_name_prefix="flowq-item")

    async def run(self, source: Source) -> float:
        """Run the items of *source*; the next item is read only when a place is free.

        Returns:
            Seconds before which the last item read, and all later ones, must not start; 0.0 if all have run.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                if isinstance(self._tries, TriesTogether):
                    async for group in self._groups(source, self._tries.group_size):
                        tasks.create_task(self._run_group(self._tries, group))
                    return self._held_s
                while True:
                    await self._places.acquire()
                    try:
                        index, item, tries_used = await anext(source)
                    except StopAsyncIteration:
                        break
                    entry = await self._enter(index, item, tries_used)
                    if isinstance(entry, Held) and not entry.alone:
                        self._held_s = entry.seconds
                        break
                    tasks.create_task(self._run_item(index, item, tries_used, entry))
        except BaseExceptionGroup as failures:
            # Raised by the sink or the source: an item's own exceptions are outcomes.
            raise failures.exceptions[0] from None
        finally:
            self._close()
            if self._pool is not None:
                self._pool.shutdown(wait=False)  # every item has been awaited: the threads are idle
        return self._held_s

    async def _enter(self, index: int, item: Any, tries_used: int) -> Entry | None:
        """Enter the gate, one item at a time, so that a process books no permits ahead of what it starts."""
        if self._tries.gate is None:
            return None
        apart = not isinstance(self._tries, TriesTogether) and self._apart < self._most_apart
        return await drive_async(self._tries.enter(index, item, tries_used, self._park_over_s, apart=apart))

    async def _run_item(self, index: int, item: Any, tries_used: int, entry: Entry | None) -> None:
        apart = isinstance(entry, Later)
        self._apart += apart
        try:
            if self._pool is None:
                self._sink(index, await self._coroutine(index, item, tries_used, entry))
            else:
                await self._in_thread(self._pool, index, item, tries_used, entry)
        finally:
            self._apart -= apart
            self._places.release()

    async def _groups(self, source: Source, size: int) -> AsyncIterator[list[Given]]:
        """The items of *source* in groups of *size*; fewer if places run out or the source is slow."""
        ahead: asyncio.Future[tuple[int, Any, int]] | None = None
        ended = False
        try:
            while not ended:
                group: list[Given] = []
                while len(group) < size and not (group and self._places.locked()):
                    if ahead is None:
                        await self._places.acquire()
                        ahead = asyncio.ensure_future(anext(source))
                    if group and not (await asyncio.wait([ahead], timeout=_LINGER_S))[0]:
                        break
                    given, ahead = await self._given(ahead), None
                    if given is None:
                        ended = True
                        break
                    group.append(given)
                    if probes(given[3]):
                        break
                if group:
                    yield group
        finally:
            if ahead is not None:
                ahead.cancel()
                await asyncio.wait([ahead])

    async def _given(self, ahead: asyncio.Future[tuple[int, Any, int]]) -> Given | None:
        """The next item after it has entered the gate; None if there is no more, or it is held."""
        try:
            index, item, tries_used = await ahead
        except StopAsyncIteration:
            return None
        entry = await self._enter(index, item, tries_used)
        if isinstance(entry, Held) and not entry.alone:
            self._held_s = entry.seconds
            return None
        return index, item, tries_used, entry

    async def _run_group(self, tries: TriesTogether, group: list[Given]) -> None:
        try:
            if self._pool is None:
                self._sink_group(group, await drive_async(tries.settle_group(group, self._park_over_s)))
            else:
                await self._group_in_thread(self._pool, tries, group)
        finally:
            for _ in group:
                self._places.release()

    async def _group_in_thread(self, pool: ThreadPoolExecutor, tries: TriesTogether, group: list[Given]) -> None:
        def blocking() -> list[ItemDone]:
            try:
                return drive(tries.settle_group(group, self._park_over_s))
            except Interrupted:
                return []

        work = pool.submit(contextvars.copy_context().run, blocking)
        try:
            await until_ended(work, self._close)
        finally:
            # Also when cancelled: the outcomes of finished items are kept.
            if work.done() and not work.cancelled():
                self._sink_group(group, work.result())

    def _sink_group(self, group: list[Given], ended: list[ItemDone]) -> None:
        for (index, *_), done in zip(group, ended, strict=False):  # empty if the batch ended first
            self._sink(index, done)

    async def _coroutine(self, index: int, item: Any, tries_used: int, entry: Entry | None) -> ItemDone:
        tries = self._tries
        if entry is not None:
            return await drive_async(self._settle(index, item, tries_used, None, entry))
        began = perf_counter()
        try:
            value = await tries.one_try_async(index, item, tries_used)
        except Left as left:
            return tries.left(index, tries_used, left, perf_counter() - began)
        except BaseException as exc:
            if not tries.is_failure(exc):
                raise
            failed = exc
        else:
            return tries.succeeded(index, value, tries_used, perf_counter() - began)
        # Outside of the except block: else it would become the __context__ of what the next try raises.
        first_s = perf_counter() - began
        try:
            done = await drive_async(self._settle(index, item, tries_used, failed, None))
        finally:
            del failed  # its traceback holds this frame
        done.seconds += first_s
        return done

    def _settle(
        self, index: int, item: Any, tries_used: int, failed: BaseException | None, entry: Entry | None
    ) -> Steps[ItemDone]:
        retry_over_s = self._retry_over_s()
        return self._tries.settle(index, item, tries_used, failed, self._park_over_s, entry, retry_over_s)

    async def _in_thread(
        self, pool: ThreadPoolExecutor, index: int, item: Any, tries_used: int, entry: Entry | None
    ) -> None:
        work = pool.submit(contextvars.copy_context().run, self._blocking, index, item, tries_used, entry)
        try:
            await until_ended(work, self._close)
        finally:
            # Also when cancelled: the outcomes of finished items are kept.
            done = work.result() if work.done() and not work.cancelled() else None
            if done is not None:
                self._sink(index, done)

    def _close(self) -> None:
        self._closing = True

    def _blocking(self, index: int, item: Any, tries_used: int, entry: Entry | None) -> ItemDone | None:
        try:
            return drive(self._settle(index, item, tries_used, None, entry))
        except Interrupted:
            return None

    def _cancelled(self) -> bool:
        return self._closing or (self._batch_cancelled is not None and self._batch_cancelled())
