"""InlineBatch: one batch that runs in this process, from reading its items to its result.

One item is run by running/runner.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
import threading
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter, time
from typing import Any
from weakref import WeakMethod

from flowq.batch.executor import UNENDED, BatchJob, Progress, Report, State
from flowq.batch.inline.gate import Gates, inline_gate
from flowq.batch.inline.log import Before, Log
from flowq.batch.inline.one_by_one import LOOK_EVERY_S, OneByOne
from flowq.batch.inline.twins import InlineTwins
from flowq.batch.items import Items, Picked
from flowq.batch.naming import new_batch_id
from flowq.batch.policies.reasons import CANCELLED, late, stopped
from flowq.batch.results.allowed_sinks import refusal
from flowq.batch.results.done import ItemDone
from flowq.batch.results.result import BatchResult
from flowq.batch.results.sink import address_of, open_sink
from flowq.batch.results.sunk import PartWriter
from flowq.batch.running.budget import places_here, share_of_an_item
from flowq.batch.running.gate import Gate
from flowq.batch.running.in_flight import Source
from flowq.batch.running.runner import Runner
from flowq.batch.running.threads import until_ended
from flowq.core.context import ItemContext, current_context
from flowq.core.drive import Steps, async_twin, loop_runs
from flowq.core.lifespan import long_lived, opened
from flowq.errors import LoopRunning

TELL_EVERY_S = 0.2
"""How often ``on_progress`` is called."""


class InlineBatch(OneByOne):
    """One batch in this process. It can be run once.

    Args:
        job: the batch.
        items: the source of its items.
        places: number of items running at once (None: as many as the node keeps in flight in one process).
        batch_id: its id, which is part of the items' idempotency keys.
        gates: creates the gate of its tries.
        before: the earlier runs of the batch if *items* are some of its items to run again. ``max_failures`` does not
            apply then.

    Attributes:
        id: the batch's id.
        policy: how its items are run.
        log: what it has brought so far.
        reason: why it was closed before its last item, "" if it was not.
        state: how it ended, or will have: "succeeded" unless it was closed before its last item.
        going: unset while it is paused.
        again: the last run of its items that ``retry_failed`` has begun.
        redrive: what ``retry_failed`` of its result calls as long as it is there, instead of ``once_more``.
    """

    again: InlineBatch | None = None
    redrive: WeakMethod[Callable[[], Steps[BatchResult[Any]]]] | None = None

    def __init__(
        self,
        job: BatchJob,
        items: Items | Picked,
        *,
        places: int | None,
        batch_id: str,
        gates: Gates = inline_gate,
        before: Before | None = None,
    ) -> None:
        outer = current_context()
        self.id = batch_id
        self.policy = job.policy
        self.log = Log()
        self.reason = ""
        self.state: State = "succeeded"
        self.going = threading.Event()
        self.going.set()
        self._job = job
        node = job.node.over(job.shared)
        # A copy: what setup opens belongs to this batch, while other batches of the node may run.
        self._node = node.__copy__() if node.keeps_open else node
        self._items = items
        self._before = before
        self._places = places_here(places or job.node.in_flight())
        sink = None if job.policy.sink is None else address_of(job.policy.sink)
        refused = None if sink is None else refusal(sink)
        self._gate = gates(batch_id, self._node, job.policy) if refused is None else Gate(refused=refused)
        self._runner = Runner(
            self._node,
            job.policy,
            batch_id=batch_id,
            run_id=None if outer is None else outer.run_id,
            cancelled=self._is_over,
            on_progress=self._report,
            on_heartbeat=self._report,
            share=share_of_an_item(job.policy.concurrency, self._places, items.total),
            gate=self._gate,
        )
        self._outer_cancelled = None if outer is None else outer.is_cancelled
        # The items that may be needed again: those in flight, and those that failed or were cancelled.
        self._kept: dict[int, Any] = {}
        self._parts = None if sink is None or refused is not None else PartWriter(open_sink(sink, batch_id))
        self._twins = InlineTwins(self._node.key_of) if self._node.computes_once and self._node.key_of else None
        self._running = 0
        # The last reports of running items, by index.
        self._reports: dict[int, Report] = {}
        self._told = perf_counter()
        self._began = perf_counter()
        self._ended: float | None = None
        self._after = Before([], 0, 0.0, {})
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    @classmethod
    def of(cls, job: BatchJob, *, sequential: bool, gates: Gates = inline_gate) -> InlineBatch:
        """The batch of *job*. *sequential*: one item at a time unless the policy gives a ``concurrency``.

        Raises:
            BatchInputError: its items are not iterable.
        """
        items = Items(job.node.name, job.items, limit=job.limit, max_items=job.policy.max_items)
        places = job.policy.concurrency or (job.node.in_flight() if not sequential else 1)
        batch_id = new_batch_id(job.label or job.node.name, job.key)
        return cls(job, items, places=places, batch_id=batch_id, gates=gates)

    async def run_async(self) -> BatchResult[Any]:
        """Like ``run``, in the running event loop. Cancelling it cancels the running items and waits for them."""
        self._began = perf_counter()
        with contextlib.closing(self._items):
            if self._in_order:
                with ThreadPoolExecutor(1, "flowq-batch") as pool:
                    work = pool.submit(contextvars.copy_context().run, self._run_in_order)
                    await until_ended(work, lambda: self.close(CANCELLED))
                    work.result()
            else:
                await self._run_in_flight()
        return self._result()

    @async_twin(run_async)
    def run(self) -> BatchResult[Any]:
        """Run all items and return the result.

        Raises:
            LoopRunning: items are async, and this thread runs an event loop already.
        """
        self._began = perf_counter()
        with contextlib.closing(self._items):
            self._run()
        return self._result()

    def _run(self) -> None:
        if self._in_order:
            self._run_in_order()
        elif not loop_runs():
            asyncio.run(self._run_in_flight())
        elif self._runner.is_async:
            raise LoopRunning(self._node.name)
        else:
            # Blocking items run in threads anyway: the loop that starts them can run in a thread too.
            with ThreadPoolExecutor(1, "flowq-batch") as pool:
                context = contextvars.copy_context()
                work = pool.submit(context.run, lambda: asyncio.run(self._run_in_flight()))
                try:
                    work.result()
                except BaseException:  # KeyboardInterrupt is raised in this thread only
                    self.close(CANCELLED)
                    raise

    def close(self, reason: str, state: State = "cancelled") -> None:
        """End the batch before its last item; thread-safe. Only the first call has an effect."""
        if self.reason or self._ended is not None:
            return
        self.reason, self.state = reason, state
        self._items.close()
        if self._loop is not None and self._task is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just been closed
                self._loop.call_soon_threadsafe(self._task.cancel)

    @property
    def source_broke(self) -> bool:
        """Whether reading its items raised an exception."""
        return self._items.broken

    @property
    def label(self) -> str:
        """The displayed name of the batch."""
        return self._job.label or self._node.name

    @property
    def node(self) -> str:
        """The name of the batch's node."""
        return self._node.name

    def so_far(self) -> BatchResult[Any]:
        """The result so far; thread-safe. Items without an outcome are "cancelled"."""
        runs = self.log.runs()  # first, so that all of its items are counted in `taken`
        return BatchResult.assemble(
            runs,
            self._items.taken if self._items.total is None else self._items.total,
            label=self.label,
            reason=self.reason or "it has no outcome yet",
            inputs=self._items.at_hand() or dict(self._kept),
            key_of=self._node.key_of,
            sink=self.policy.sink is not None,
        )

    def progress(self, state: State) -> Progress:
        """The progress of the batch."""
        log, total = self.log, self._items.total
        if total is None and state not in UNENDED:
            total = self._items.taken  # no more items will be read
        elapsed_s = (perf_counter() if self._ended is None else self._ended) - self._began
        rate = log.done / elapsed_s if elapsed_s > 0 else 0.0
        left = None if total is None else total - log.done
        return Progress(
            total=total,
            done=log.done,
            ok=log.ok,
            fallback=log.fallback,
            failed=log.failed,
            parked=0,
            running=self._running if state in UNENDED else 0,
            rate=rate,
            eta_s=left / rate if left is not None and rate > 0 else None,
            state=state,
            retried=log.retried,
            reports=dict(self._reports),
        )

    def _tell(self) -> None:
        tell = self._node.on_progress
        if tell is not None and perf_counter() - self._told >= TELL_EVERY_S:
            self._told = perf_counter()
            tell(self.progress("running"))

    def _report(self, ctx: ItemContext, done: float | None = None, total: float | None = None) -> None:
        index = ctx.item_index or 0
        before = self._reports.get(index)
        if done is None and before is not None:  # a heartbeat
            done, total = before.done, before.total
        if self._in_order:
            self._reports = {}  # earlier items have ended
        self._reports[index] = Report(done, total, time())

    # -- side by side ----------------------------------------------------------------------------------------------

    async def _run_in_flight(self) -> None:
        self._loop = asyncio.get_running_loop()
        async with opened(long_lived(self._node)), contextlib.aclosing(self._source()) as source:
            straight = self._places == 1 and self._runner.goes_straight and not (self._twins or self._parts)
            running = self._run_straight() if straight else self._run_side_by_side(source)
            self._task = self._loop.create_task(running)
            deadline = self.policy.deadline
            timer = None if deadline is None else self._loop.call_later(deadline, self._close_late)
            if self.reason:
                self._task.cancel()
            try:
                await self._task
            except asyncio.CancelledError:
                me = asyncio.current_task()
                if not self.reason or (me is not None and me.cancelling()):
                    raise
            finally:
                if timer is not None:
                    timer.cancel()
                if self._parts is not None:
                    self._write_part(self._parts)
                    self._judge()

    async def _run_side_by_side(self, source: Source) -> None:
        await self._runner.run_async(source, self._places, self._sink)

    async def _source(self) -> AsyncGenerator[tuple[int, Any, int], None]:
        while not self._is_over():
            if self._rests():
                await asyncio.to_thread(self.going.wait, LOOK_EVERY_S)
                continue
            start, chunk = await self._items.take_run_async()
            if not chunk:
                return
            self._kept[start] = chunk[0]
            if self._twins is not None:
                first = self._twins.before(start, chunk[0])
                if first is not None:
                    for ended in self._twins.wait_for(first, start):
                        self._log_item(start, ended)
                    continue
            self._running += 1
            yield start, chunk[0], 0

    def _sink(self, index: int, item: ItemDone) -> None:
        self._running -= 1
        self._log_item(index, item)
        if self._twins is not None:
            for twin, ended in self._twins.note_item(index, item):
                self._log_item(twin, ended)

    def _log_item(self, index: int, item: ItemDone) -> None:
        self._reports.pop(index, None)
        failed = item.outcome is not None and item.outcome.status == "failed"
        if self._parts is not None and not failed:
            self._parts.add(index, item)
            if self._parts.is_due:
                self._write_part(self._parts)
        else:
            if not failed:
                del self._kept[index]
            self.log.add_item(index, item)
        self._tell()
        self._judge()

    def _write_part(self, parts: PartWriter) -> None:
        for done in parts.write():
            for index in range(done.start, done.upto):
                if index not in done.notable or done.notable[index].status != "failed":
                    del self._kept[index]
            self.log.add_run(done)

    # -- its end ---------------------------------------------------------------------------------------------------

    def _is_closed(self) -> bool:
        return bool(self.reason) or (self._outer_cancelled is not None and self._outer_cancelled())

    def _is_over(self) -> bool:
        """Whether no further item may start; closes the batch when its deadline has passed."""
        deadline = self.policy.deadline
        if deadline is not None and perf_counter() - self._began >= deadline:
            self._close_late()
        return self._is_closed()

    def _close_late(self) -> None:
        self.close(late(self.policy.deadline or 0.0))

    def _failures_left(self) -> float:
        if self._before is not None:
            return math.inf
        return self.policy.failures_allowed(self._items.total) - self.log.failed

    def _judge(self) -> None:
        """Close the batch if more items have failed than the policy tolerates."""
        if self.log.failed and self._failures_left() < 0:
            self.close(stopped(self.log.failed, self.policy), "failed")

    # -- its result ------------------------------------------------------------------------------------------------

    def _result(self) -> BatchResult[Any]:
        self._ended = perf_counter()
        before = self._before
        if before is None:
            total = self._items.taken if self._items.total is None else self._items.total
            before = Before([], total, 0.0, self._items.at_hand() or self._kept)
        self._after = after = Before(
            [*before.runs, *self.log.runs()], before.n, before.seconds + self._ended - self._began, before.inputs
        )
        result: BatchResult[Any] = BatchResult.assemble(
            after.runs,
            after.n,
            on_error=self.policy.on_error,
            label=self.label,
            seconds=after.seconds,
            reason=self.reason,
            cut_short=bool(self.reason) and self._items.total is None,
            inputs=after.inputs,
            key_of=self._node.key_of,
            again=self._run_again,
            over_store=self._job.shared is not None,
            sink=self.policy.sink is not None,
        )
        result.delta = self._node.merged(after.runs)
        if self._node.on_progress is not None:
            self._node.on_progress(self.progress(self.state))
        return result

    def _run_again(self, indices: Sequence[int]) -> Steps[BatchResult[Any]]:
        redrive = None if self.redrive is None else self.redrive()
        return self.once_more(indices) if redrive is None else redrive()

    def once_more(self, indices: Sequence[int]) -> Steps[BatchResult[Any]]:
        """Run these items again when it has ended, through the gate it had; the whole batch's result."""
        items = Picked(self._after.inputs, indices)
        self.again = InlineBatch(
            self._job, items, places=self._places, batch_id=self.id, gates=lambda *_: self._gate, before=self._after
        )
        self.again.redrive = self.redrive
        result: BatchResult[Any] = yield self.again.run, ()
        return result
