"""A slot: what one worker process keeps between chunks: connections, built nodes, cached pages and blobs."""

from __future__ import annotations

import asyncio
import copy
import logging
import os
from collections import OrderedDict
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from flowq.batch.batchflow import BatchFlow
from flowq.batch.fanout import Fanout
from flowq.batch.nodes.batch_node import ParallelBatchNode
from flowq.batch.results.allowed_sinks import refusal
from flowq.batch.results.sink import open_sink
from flowq.batch.running.runner import Runner
from flowq.core.context import ItemContext
from flowq.core.store.schema import schema_of
from flowq.engine.batches import Header, Headers, model_of
from flowq.engine.connection import Connections
from flowq.engine.fleet.lacks import note_lack
from flowq.engine.fleet.meter import Meter
from flowq.engine.fleet.presence import Fleet
from flowq.engine.known_sizes import KnownSizes
from flowq.engine.limits.gate import fleet_gate
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.running.note import Holds, Note
from flowq.engine.running.overtime import item_limit_s
from flowq.engine.running.reports import Reports
from flowq.engine.running.rounds import Rounds
from flowq.engine.running.shown import ItemEvents
from flowq.engine.running.templates import Templates, Unbuilt, made
from flowq.engine.running.twin_outcomes import TwinOutcomes
from flowq.engine.running.unfit import Unfit
from flowq.engine.running.work import Work
from flowq.engine.stored.on_the_way import SnapshotsOnTheWay
from flowq.engine.stored.pages import PageReader
from flowq.engine.stored.snapshots import Blobs, SnapshotBase
from flowq.engine.walks.journeys import ItemJourneys, may_be_left
from flowq.errors import BatchLost, DecodeError

log = logging.getLogger("flowq.run")

CACHED_WORKS = 16
ENDS_PROCESS = (SystemExit, KeyboardInterrupt)
"""Exceptions that end the process; its main process then gives back what this one held."""
NO_CRASH = (BatchLost, DecodeError, *REDIS_ERRORS, *ENDS_PROCESS)
"""Exceptions that may end a chunk's run and are not caused by an item. Any other counts as a crash."""
ENDS_WITHIN_S = 2.0
"""How long the end of a process waits for what it cancels in its event loop; threads cannot be cancelled."""
RECOGNISED = 256
"""Batches whose birth this process remembers: more than it caches anything of."""

T = TypeVar("T")


class Slot:
    """One worker process's side of the engine.

    Args:
        connections: this process's connections.
        worker: the worker's name.
        holds: the board on which this process notes for its main process what it holds.
        blobs: blobs of stores shared with the worker's other processes, if there are any.
    """

    def __init__(self, connections: Connections, worker: str, holds: Holds, blobs: Blobs | None = None) -> None:
        self.connections = connections
        self.worker = worker
        self.holds = holds
        # The ledger's records are words with spaces between them.
        self.holder = f"{'_'.join(worker.split())}/{os.getpid()}"
        redis, keys = connections.redis, connections.keys
        self.headers = Headers(redis, keys)
        self.pages = PageReader(redis, keys)
        self.snapshots = SnapshotsOnTheWay(connections, blobs)
        self.fleet = Fleet(redis, keys)
        self.unfit = Unfit()
        self.rounds = Rounds(connections)
        self.sizes = KnownSizes()
        self.twins = TwinOutcomes(connections)
        self.item_events = ItemEvents(connections, worker)
        self.reports = Reports(connections, self.holder)
        self.meter = Meter(redis, keys)
        self._works: OrderedDict[str, Work] = OrderedDict()
        self._born: OrderedDict[str, bytes | None] = OrderedDict()
        self._loop: asyncio.Runner | None = None
        self._templates = Templates(self.run_async)

    def work(self, batch_id: str) -> Work:
        """The batch as this process runs it, built once per process.

        Raises:
            BatchLost, DecodeError, CannotTravel: this process cannot run the batch.
            Unbuilt: its node cannot be built or opened here.
        """
        work = self._works.get(batch_id)
        if work is None:
            work = self._works[batch_id] = self._build(self.headers.get(batch_id))
            if len(self._works) > CACHED_WORKS:
                self._works.popitem(last=False)
        else:
            self._templates.used(work.header.spec)
        self._works.move_to_end(batch_id)
        return work

    def leave(self, batch_id: str, chunk_id: str, reason: str) -> str:
        """Leave a chunk to another worker and record why, for waiting clients; returns the text for Flower."""
        note_lack(self.connections, batch_id, self.worker, reason)
        return self.unfit.leave(batch_id, chunk_id, reason)

    def unopened(self, batch_id: str, error: Exception) -> Work:
        """A batch none of whose items can run here because of *error*: to fail them, or to merge others' outcomes.

        Raises:
            BatchLost, DecodeError, CannotTravel: as for :meth:`work`.
        """
        header = self.headers.get(batch_id)
        try:
            return self._build(header, is_open=False)
        except Unbuilt:
            node: Fanout[Any, Any] = ParallelBatchNode(name=header.node)

            def fold(deltas: Sequence[Any]) -> Any:
                raise error

            node.fold = fold  # type: ignore[method-assign]
            return Work(header, node, node.policy(), Runner(node, node.policy()), 1)

    def recognise(self, batch_id: str, born: bytes | None) -> None:
        """Drop what is cached of an older batch with this id: *born* is the birth of the present one, from Redis."""
        known = self._born.pop(batch_id, None)
        self._born[batch_id] = born
        if len(self._born) > RECOGNISED:
            self._born.popitem(last=False)
        if known != born:
            self.headers.forget(batch_id)
            self.pages.forget(batch_id)
            self.twins.forget(batch_id)
            self.unfit.forget(batch_id)
            self._works.pop(batch_id, None)

    @contextmanager
    def holding(self, batch_id: str, chunk_id: str) -> Iterator[Note]:
        """Have the main process beat for a chunk (or ``agg``) while the block runs.

        What ends the process, such as the SystemExit of a stopping worker, leaves the note in place, and the main
        process then gives back what this one held. Any other exception removes the note, so that the beats stop.
        """
        note = Note(self.holds, batch_id, chunk_id, self.holder)
        try:
            yield note
        except ENDS_PROCESS:
            raise
        except BaseException:
            note.take_back()
            raise
        note.take_back()

    def run_async(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run *coroutine* in the event loop that this process keeps for its lifetime.

        A signal may raise in the loop instead of the coroutine, as that of a soft time limit does. The coroutine is
        cancelled then: left as it is, it would hold its ranges, and go on beside what runs here next.
        """
        if self._loop is None:
            self._loop = asyncio.Runner()
        try:
            return self._loop.run(coroutine)
        except ENDS_PROCESS:
            raise
        except BaseException:
            for left in [task for task in asyncio.all_tasks(self._loop.get_loop()) if task.get_coro() is coroutine]:
                self._loop.run(_ended(left))
            raise

    def _build(self, header: Header, *, is_open: bool = True) -> Work:
        node: Any = copy.copy(self._templates.of(header.spec) if is_open else made(header.spec))
        if header.manifest is not None:
            node.base = SnapshotBase(self.snapshots, header.scope, header.manifest)
            if header.schema:
                node.schema = model_of(header.schema)
                node.reducers = {**schema_of(node.schema).reducers, **node.reducers}
        policy = node.policy()
        journeys = None
        if isinstance(node, BatchFlow) and (header.keeps or may_be_left(node)):
            journeys = ItemJourneys(self.connections, self.snapshots, self.fleet, self.sizes, header, policy)
            node.journeys = journeys
        gate = fleet_gate(self.connections, header.id, node, policy)
        one_by_one = node.in_flight() == 1
        said = self.reports.listener(header.id, one_by_one=one_by_one)
        limit_s = item_limit_s(policy)

        def beaten(ctx: ItemContext) -> None:
            said(ctx, None, None)
            if one_by_one and limit_s:
                self.holds.prolong(limit_s)

        runner = Runner(
            node,
            policy,
            batch_id=header.id,
            run_id=header.run_id or None,
            worker=self.worker,
            cancelled=self.holds.gone,
            on_progress=said,
            on_heartbeat=beaten,
            # A timeout applies to tries only: the fallback may take any time, as it may in the other executors.
            on_fallback=lambda ctx: self.holds.unlimited(),
            gate=gate,
            # Under a ``concurrency`` an item's inner batch has that item's place only: the fleet uses all the others.
            share=None if policy.concurrency is None else 1,
        )
        refused = refusal(header.sink, self.connections.settings.sinks) if header.sink else None
        if refused is not None:
            log.error("items are refused: %s", refused, extra={"batch": header.id})
        sink = open_sink(header.sink, header.id) if header.sink and refused is None else None
        return Work(header, node, policy, runner, node.in_flight(), journeys, gate, sink, refused)

    def close(self) -> None:
        """Exit the lifespans and write the last figures, when the process ends.

        What still runs in the event loop is cancelled. What does not end soon, as no thread does, ends with the
        process, and the main process gives back what this one holds.
        """
        self.meter.write()
        self._templates.close()
        if self._loop is not None and self._loop.run(_all_end(ENDS_WITHIN_S)):
            self._loop.get_loop().close()  # the Runner's own close waits for every thread
            asyncio.set_event_loop(None)
            self._loop = None


async def _ended(task: asyncio.Task[Any]) -> None:
    task.cancel()
    await asyncio.wait([task])


async def _all_end(within_s: float) -> bool:
    """Cancel all other tasks of this loop; returns whether they have ended within *within_s* seconds."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=within_s))[1]:
        return False
    await asyncio.get_running_loop().shutdown_asyncgens()
    return True
