"""InOrder: runs items one after another in a tight loop in this thread.

A plain item costs its call and a place in a list; only an item that raises leaves the loop for its further tries.
Concurrent items are in_flight.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from operator import countOf
from typing import Any

from flowq.batch.results.done import Done, FlowItem, ItemDone
from flowq.batch.running.gate import Entry, Gate, Held
from flowq.batch.running.laps import Laps
from flowq.batch.running.together import Given, TriesTogether, probes
from flowq.batch.running.tries import Interrupted, Tries, is_awaitable, unawaited
from flowq.core.context import ItemContext, current_context, enter_context
from flowq.core.drive import drive, drive_async
from flowq.core.journey import Left

Stop = Callable[[Sequence[Any], float], bool]
Watch = Callable[[int], object]

_ASK_EVERY_S = 0.001
"""Least seconds between two calls of ``stop``, which may cost more than an item."""

_EXPECTED = 500
"""Number of items announced to the gate at a time."""


class InOrder:
    """One run over consecutive items.

    Args:
        tries: runs the tries of one item.
        items: the items; ``done.start`` is the index of the first.
        done: receives the outcomes.
        max_failed: number of failures that are tolerated; the next one ends the run.
        park_over_s: an item that must wait longer is parked; None: it sleeps for any time.
        retry_over_s: the same for waits between two tries of an item that runs alone (None: as *park_over_s*).
    """

    def __init__(
        self,
        tries: Tries,
        items: Sequence[Any],
        done: Done,
        *,
        max_failed: float,
        park_over_s: float | None,
        retry_over_s: float | None = None,
    ) -> None:
        self._tries = tries
        self._items = items
        self._done = done
        self._laps = Laps()
        self._failures_left = max_failed
        self._park_over_s, self._retry_over_s = park_over_s, retry_over_s

    def run(self, tries_used: int, stop: Stop | None, watch: Watch | None) -> None:
        """Run the items, the first of which has used *tries_used* tries, until the end or until *stop* returns true."""
        outer = current_context()
        try:
            if isinstance(self._tries, TriesTogether):
                self._run_groups(self._tries, tries_used, stop, watch)
            elif self._tries.gate is None:
                self._run_ungated(tries_used, stop, watch)
            else:
                self._run_gated(self._tries.gate, tries_used, stop, watch)
        except Interrupted:
            pass  # the item that waited has no outcome; the items before it have theirs
        finally:
            enter_context(outer)
        self._close()

    def _run_ungated(self, tries_used: int, stop: Stop | None, watch: Watch | None) -> None:
        if tries_used and self._items:
            if watch is not None:
                watch(self._done.start)
            self._settle(self._items[0], tries_used, None)
        self._run_blocks(stop, watch)

    def _run_gated(self, gate: Gate, tries_used: int, stop: Stop | None, watch: Watch | None) -> None:
        """Run the items one after another, each after it has entered the gate; ends at one that is held."""
        items, done, tries = self._items, self._done, self._tries
        ask_at_s = 0.0
        while (at := len(done.values)) < len(items) and self._failures_left >= 0:
            if at % _EXPECTED == 0:
                gate.expect(items[at : at + _EXPECTED])
            entry = drive(tries.enter(done.upto, items[at], tries_used, self._park_over_s))
            if isinstance(entry, Held) and not entry.alone:
                done.held_s = entry.seconds
                return
            if watch is not None:
                watch(done.upto)  # not before: an item must not be killed while it waits
            self._settle(items[at], tries_used, None, entry)
            tries_used = 0
            if stop is not None and self._laps.elapsed_s >= ask_at_s:
                if stop(done.values, self._laps.elapsed_s):
                    return
                ask_at_s = self._laps.elapsed_s + _ASK_EVERY_S

    def _run_blocks(self, stop: Stop | None, watch: Watch | None) -> None:
        items, values, laps = self._items, self._done.values, self._laps
        here = _HereContext(self._tries, self._done)
        is_plain = self._tries.is_plain
        block = self._plain_block if is_plain else self._full_block
        ask_at_s = 0.0
        failed: BaseException | None = None
        while (at := len(values)) < len(items) and self._failures_left >= 0:
            enter_context(here)
            try:
                block(items[at : at + laps.size], watch)
            except Left as left:
                self._done.add(self._tries.left(self._done.upto, 0, left, 0.0))
                laps.lap(len(values) - at)
            except BaseException as exc:
                if not self._tries.is_failure(exc):
                    raise
                failed = exc
            else:
                laps.lap(len(values) - at)
            if is_plain and (fresh := values[at:]):
                kind = type(fresh[0])
                # Checked by type for all values at once: a check per value would cost more than its call.
                if countOf(map(type, fresh), kind) < len(fresh) or is_awaitable(kind):
                    self._fail_awaitables(at)
            if failed is not None:
                # Outside of the except block: else it would become the __context__ of what the next try raises.
                laps.lap(len(values) + 1 - at)
                self._settle(items[len(values)], 0, failed)
                failed = None  # its traceback holds this frame
            if stop is not None and laps.elapsed_s >= ask_at_s:
                if stop(values, laps.elapsed_s):
                    return
                ask_at_s = laps.elapsed_s + _ASK_EVERY_S

    def _fail_awaitables(self, at: int) -> None:
        """Turn awaitable values, from the *at*-th on, into failures."""
        done = self._done
        awaitable = {kind for kind in set(map(type, done.values[at:])) if is_awaitable(kind)}
        if not awaitable:
            return
        for place, value in enumerate(done.values[at:], at):
            if type(value) in awaitable:
                failed = self._tries.failed(done.start + place, unawaited(self._tries.called, value).error, 0, 0.0)
                done.values[place] = None
                if failed.outcome is not None:
                    done.notable[done.start + place] = failed.outcome
                self._failures_left -= 1

    async def run_async(self, stop: Stop) -> None:
        """Run plain async items until the end or until *stop* returns true."""
        outer = current_context()
        try:
            await self._run_blocks_async(stop)
        except Interrupted:
            pass  # as in run
        finally:
            enter_context(outer)
            self._close()

    async def _run_blocks_async(self, stop: Stop) -> None:
        items, values, laps = self._items, self._done.values, self._laps
        here = _HereContext(self._tries, self._done)
        ask_at_s = _ASK_EVERY_S
        while (at := len(values)) < len(items) and self._failures_left >= 0:
            enter_context(here)
            failed: BaseException | None = None
            try:
                await self._plain_block_async(items[at : at + laps.size])
            except Left as left:
                self._done.add(self._tries.left(self._done.upto, 0, left, 0.0))
            except BaseException as exc:
                if not self._tries.is_failure(exc):
                    raise
                failed = exc
            if failed is None:
                laps.lap(len(values) - at)
            else:
                laps.lap(len(values) + 1 - at)
                await self._settle_async(items[len(values)], failed)
                failed = None  # its traceback holds this frame
            if laps.elapsed_s >= ask_at_s:
                await asyncio.sleep(0)  # items that never wait must not keep everybody else waiting
                if stop(values, laps.elapsed_s):
                    return
                ask_at_s = laps.elapsed_s + _ASK_EVERY_S

    async def _plain_block_async(self, block: Sequence[Any]) -> None:
        call, values = self._tries.exec, self._done.values
        for item in block:
            values.append(await call(item))

    async def _settle_async(self, item: Any, exc: BaseException) -> None:
        self._note(await drive_async(self._tries.settle(self._done.upto, item, 0, exc, None)))

    def _run_groups(self, tries: TriesTogether, tries_used: int, stop: Stop | None, watch: Watch | None) -> None:
        """Run the items in groups, a call for each; ends at an item that the gate holds."""
        items, done = self._items, self._done
        tries.watch = watch
        while (at := len(done.values)) < len(items) and self._failures_left >= 0 and not done.held_s:
            group = self._group(tries, items[at : at + (1 if tries_used else tries.group_size)], tries_used)
            if not group:
                return
            tries_used = 0
            for place, ended in enumerate(drive(tries.settle_group(group, self._park_over_s)), at):
                done.add(ended)
                self._laps.further(place, ended.seconds)
                self._failures_left -= ended.outcome is not None and ended.outcome.status == "failed"
            self._laps.lap(len(group))
            if stop is not None and stop(done.values, self._laps.elapsed_s):
                return

    def _group(self, tries: TriesTogether, some: Sequence[Any], tries_used: int) -> list[Given]:
        """The leading items of *some* that have entered the gate."""
        if tries.gate is not None:
            tries.gate.expect(some)
        group: list[Given] = []
        for index, item in enumerate(some, self._done.upto):
            entry = None if tries.gate is None else drive(tries.enter(index, item, tries_used, self._park_over_s))
            if isinstance(entry, Held) and not entry.alone:
                self._done.held_s = entry.seconds
                break
            group.append((index, item, tries_used, entry))
            if probes(entry):
                break
        return group

    def _plain_block(self, block: Sequence[Any], watch: Watch | None) -> None:
        call, values = self._tries.exec, self._done.values
        if watch is None:
            for item in block:
                values.append(call(item))
            return
        for index, item in enumerate(block, self._done.upto):
            watch(index)
            values.append(call(item))

    def _full_block(self, block: Sequence[Any], watch: Watch | None) -> None:
        one_try, done = self._tries.one_try, self._done
        for index, item in enumerate(block, done.upto):
            if watch is not None:
                watch(index)
            value = one_try(index, item, 0)
            if type(value) is FlowItem:
                done.add(ItemDone(value.value, delta=value.delta))
            else:
                done.values.append(value)

    def _settle(self, item: Any, attempt: int, exc: BaseException | None, entry: Entry | None = None) -> None:
        """Take the next item through the tries that are left to it."""
        is_new, tries = exc is None, self._tries
        steps = tries.settle(self._done.upto, item, attempt, exc, self._park_over_s, entry, self._retry_over_s)
        del exc  # an error of a further try keeps this frame, which is not to keep errors
        self._note(drive(steps), is_new=is_new)

    def _note(self, ended: ItemDone, *, is_new: bool = False) -> None:
        """Record the outcome of the next item; *is_new*: none of its time has been counted yet."""
        place = len(self._done.values)
        self._done.add(ended)
        if is_new:
            self._laps.lap(1, ended.seconds)
        else:
            self._laps.further(place, ended.seconds)
        if ended.outcome is not None and ended.outcome.status == "failed":
            self._failures_left -= 1

    def _close(self) -> None:
        done, laps = self._done, self._laps
        done.seconds = laps.elapsed_s
        done.durations = laps.durations(len(done.values))
        if done.deltas is not None:
            done.deltas.extend([None] * (len(done.values) - len(done.deltas)))


class _HereContext(ItemContext):
    """The context of first tries in the tight loop, created once per run; it finds its item when it is read."""

    __slots__ = ("_batch_id", "_done")

    def __init__(self, tries: Tries, done: Done) -> None:
        around = tries.around
        self._batch_id, self._done = tries.batch_id, done
        self.attempt, self.item_key = 0, None
        self.config, self.run_id, self.node = around.config, around.run_id, around.node
        self.is_cancelled = tries.cancelled or around.is_cancelled
        self.on_progress, self.on_heartbeat = around.on_progress, around.on_heartbeat
        self.on_wait, self.outer, self.failed, self.beside = around.on_wait, None, False, None

    @property
    def item_index(self) -> int:  # type: ignore[override]
        return self._done.upto

    @property
    def idempotency_key(self) -> str:  # type: ignore[override]
        return f"{self._batch_id}:{self._done.upto}"
