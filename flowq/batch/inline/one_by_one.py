"""OneByOne: runs the items of a batch in this process one after another, blocking or async ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from flowq.batch.inline.log import Log
from flowq.batch.inline.twins import InlineTwins
from flowq.batch.items import Items, Picked
from flowq.batch.results.done import Done
from flowq.batch.results.sunk import PartWriter, sunk
from flowq.batch.running.runner import Runner
from flowq.batch.running.sizing import BUDGET_S, next_size
from flowq.core.lifespan import held_open, long_lived

if TYPE_CHECKING:
    from flowq.batch.executor import Report
    from flowq.batch.fanout import Fanout

LOOK_EVERY_S = 0.1
"""Seconds between two checks whether a paused batch was closed."""

_MOST_AHEAD = 10_000
"""Most items read at a time, however fast they run."""

_SHOWN_AFTER_S = 0.01
"""Seconds after which async items are logged at the latest: their reader may wait in the same event loop."""


class OneByOne:
    """Base class of InlineBatch for running one item at a time; declares the attributes it needs."""

    log: Log
    going: threading.Event
    _node: Fanout[Any, Any]
    _items: Items | Picked
    _places: int
    _runner: Runner
    _twins: InlineTwins | None
    _parts: PartWriter | None
    _kept: dict[int, Any]
    _reports: dict[int, Report]
    _running: int

    def _is_over(self) -> bool:
        raise NotImplementedError

    def _failures_left(self) -> float:
        raise NotImplementedError

    def _judge(self) -> None:
        raise NotImplementedError

    def _tell(self) -> None:
        raise NotImplementedError

    @property
    def _in_order(self) -> bool:
        return self._places == 1 and not self._runner.is_async

    def _rests(self) -> bool:
        """Whether it is paused, and has items that have not begun: one whose last item has ended has ended."""
        return not self.going.is_set() and self._items.taken != self._items.total

    def _run_in_order(self) -> None:
        with held_open(long_lived(self._node)):
            self._run_chunks()

    def _run_chunks(self) -> None:
        group = self._runner.group_size
        size = group
        while not self._is_over():
            start, chunk = self._items.take_run(size)
            if not chunk:
                return
            run = self._run_chunk(start, chunk)
            # A multiple of the group size: a call for a few items costs as much as one for many.
            size = max(1, min(_MOST_AHEAD, next_size(size, *run)) // group) * group

    def _run_chunk(self, start: int, chunk: list[Any]) -> tuple[int, float]:
        """Run *chunk* until its end or that of the batch; returns the number of items done and the seconds."""
        began = perf_counter()
        at = 0
        self._running = 1
        while at < len(chunk) and not self._is_over():
            if not self.going.wait(LOOK_EVERY_S):
                continue
            if self._twins is None:
                rest = chunk[at:] if at else chunk
                done = self._runner.run(rest, start + at, stop=self._stop_run, max_failed=self._failures_left())
            else:
                done = self._run_or_copy(chunk[at:], start + at, self._twins)
                rest = chunk[at : at + len(done.values)]
            if self._parts is not None:
                done = sunk(done, self._parts.sink)
            if self._twins is not None:
                self._twins.note_run(done)
            self._keep_failed(done, rest)
            self.log.add_run(done)
            self._tell()
            at += len(done.values)
            self._judge()
        self._running = 0
        self._reports = {}
        self._kept.update(enumerate(chunk[at:], start + at))
        return at, perf_counter() - began

    def _run_or_copy(self, items: list[Any], start: int, twins: InlineTwins) -> Done:
        """Run the items before the first twin; if the first item is a twin, settle the twins before the next item."""
        rest, firsts = twins.until_change(start, items)
        if firsts:
            return Done.gather(start, (twins.ended(first, index) for index, first in enumerate(firsts, start)))
        return self._runner.run(rest, start, stop=self._stop_run, max_failed=self._failures_left())

    def _stop_run(self, values: Sequence[Any], elapsed_s: float) -> bool:
        # After a while the run ends only to be logged: whoever watches the batch sees it move.
        return self._is_over() or elapsed_s > BUDGET_S or not self.going.is_set()

    def _keep_failed(self, done: Done, chunk: Sequence[Any]) -> None:
        for index, outcome in done.notable.items():
            if outcome.status == "failed":
                self._kept[index] = chunk[index - done.start]

    # -- async items without a task for each -------------------------------------------------------------------------

    async def _run_straight(self) -> None:
        size = 1
        while not self._is_over():
            if self._rests():
                await asyncio.to_thread(self.going.wait, LOOK_EVERY_S)
                continue
            # Reading several items from a source without a length could block the event loop.
            if size == 1 or self._items.total is None:
                start, chunk = await self._items.take_run_async()
            else:
                start, chunk = self._items.take_run(size)
            if not chunk:
                return
            run = await self._run_straight_chunk(start, chunk)
            size = min(_MOST_AHEAD, next_size(size, *run))

    async def _run_straight_chunk(self, start: int, chunk: list[Any]) -> tuple[int, float]:
        """Run *chunk* until its end or that of the batch; returns the number of items done and the seconds."""
        began = perf_counter()
        at, self._running = 0, 1
        try:
            while at < len(chunk) and not self._is_over():
                if not self.going.is_set():
                    await asyncio.to_thread(self.going.wait, LOOK_EVERY_S)
                    continue
                done, rest = Done(start + at), chunk[at:] if at else chunk
                try:
                    await self._runner.run_straight(
                        rest, done, stop=self._stop_straight, max_failed=self._failures_left()
                    )
                finally:  # also when cancelled: the outcomes of finished items are kept
                    self._keep_failed(done, rest)
                    self.log.add_run(done)
                    at += len(done.values)
                self._tell()
                self._judge()
        finally:
            self._running, self._reports = 0, {}
            self._kept.update(enumerate(chunk[at:], start + at))
        return at, perf_counter() - began

    def _stop_straight(self, values: Sequence[Any], elapsed_s: float) -> bool:
        return self._is_over() or elapsed_s > _SHOWN_AFTER_S or not self.going.is_set()
