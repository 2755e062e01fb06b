"""The Celery executor: sends batches to workers and returns their results. For producers only."""

from __future__ import annotations

import asyncio
import functools
import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flowq.batch.async_items import AsyncItems
from flowq.batch.executor import BatchJob
from flowq.batch.fanout import sent_to_workers
from flowq.batch.items import Items
from flowq.batch.naming import new_batch_id
from flowq.batch.own_thread import own_thread
from flowq.batch.results.result import BatchResult
from flowq.batch.run_flow import RunFlow
from flowq.client.display import display
from flowq.client.feeding import Feeding
from flowq.client.handle import BatchHandle
from flowq.client.leaving import Leaving
from flowq.client.run import DurableRun
from flowq.client.unknown_node import given_of_main, unknown_node, worker_of
from flowq.client.unseen import warn_of_unseen
from flowq.client.watching import Watching
from flowq.codec import loads
from flowq.core.drive import Steps, async_twin, loop_runs
from flowq.core.graph import reachable
from flowq.core.node import Node
from flowq.core.spec import FlowSpec, build, spec_of
from flowq.engine.app import queue_list
from flowq.engine.batches import Header, read_header
from flowq.engine.connection import Connections
from flowq.engine.feeding.birth import birth_of, header_of, source
from flowq.engine.feeding.feed import Feeder, Place, place_of
from flowq.engine.fleet.presence import Fleet, WorkerRecord
from flowq.engine.known_sizes import KnownSizes
from flowq.engine.patience import redis_in_words, trouble, when_there
from flowq.engine.reading.closings import Closings
from flowq.engine.reading.results import State
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.stored.snapshots import Snapshots
from flowq.errors import ConfigError, LoopRunning
from flowq.settings import Settings, redacted

log = logging.getLogger("flowq")

HERE_S = 0.1
"""The thread that waits for a batch writes its items itself for this long: for a short batch that is faster than
starting another thread. In a long list, progress must be shown and results read meanwhile."""


class CeleryExecutor:
    """Sends batches to the workers of one fleet.

    Args:
        settings: with the URL of the fleet's Redis.
        connections: to share with others; made from the settings if None.
        watching: how ``execute`` waits; None: with the progress display of the settings.

    Attributes:
        start_worker: returns an instruction for starting a worker on the given queue.
    """

    def __init__(
        self, settings: Settings, *, connections: Connections | None = None, watching: Watching | None = None
    ) -> None:
        self.settings = settings
        self.connections = connections or Connections(settings)
        self.start_worker: Callable[[str], str] = lambda queue: f"`{worker_of(queue)}`"
        self._watching = watching or Watching(display(settings.progress))
        self.closings = Closings(self.connections)
        self._fleet: Fleet | None = None
        self._latest: BatchHandle[Any] | None = None
        self._sizes = KnownSizes()
        self._scopes: dict[float, str] = {}
        self._snapshots = Snapshots(self.connections.redis, self.connections.keys)

    def execute(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """See Executor. Blocks a thread, not an event loop; Ctrl-C, or cancelling the asyncio task, ends the batch."""
        result: BatchResult[Any] = yield self._run, (job,)
        return result

    def submit(self, job: BatchJob) -> BatchHandle[Any]:
        """See Executor. Items that are not a sequence are read by a thread of this process.

        Raises:
            NoRedis, RedisFull, UnknownNode, CannotTravel, EncodeError, BatchInputError: nothing runs. A half-written
                batch is kept only if it has a *key*: another submit under that key continues it, or raises FewerItems
                if it has fewer items than were written.
        """
        return self._start(job, Feeding(), math.inf)

    def submit_run(self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None) -> DurableRun:
        """See Executor.

        Raises:
            NoRedis, RedisFull, UnknownNode, CannotTravel, EncodeError: nothing runs.
        """
        return self._run_of(flow, shared, key, label)

    def submit_scheduled(self, spec: bytes, store: bytes, key: str, moment: int) -> DurableRun:
        """Submit the run that a message of Celery beat asks for, see ``flowq.scheduled``. Redelivery: the same run.

        Raises:
            CannotTravel, DecodeError: this process does not know the flow's classes, or the message was altered.
            NoRedis, RedisFull: nothing runs.
        """
        flow = build(FlowSpec.from_plain(loads(spec)))
        # Nobody is there to start a missing worker: the run waits for one that knows its classes.
        return self._run_of(flow, loads(store), f"{key}@{moment}", key, checked=False)

    def _run_of(
        self, flow: Node[Any, Any], shared: Any, key: str | None, label: str | None, *, checked: bool = True
    ) -> DurableRun:
        node = RunFlow(flow)
        job = node.job([dict(flow.params)], shared=shared, key=key, label=label)
        header = self._start(job, Feeding(), math.inf, checked=checked).header
        if key is not None:
            # The run may exist already: then its store is the one it began with, not that of this job.
            try:
                redis, keys = self.connections.redis, self.connections.keys
                header = when_there(self.connections, functools.partial(read_header, redis, keys, header.id))
            except REDIS_ERRORS as exc:
                raise trouble(self.connections, exc) from exc
        return DurableRun(self.connections, self.closings, header, node.policy())

    async def _run_async(self, job: BatchJob) -> BatchResult[Any]:
        leaving = Leaving()
        with own_thread("flowq-wait") as in_thread:
            try:
                result: BatchResult[Any] = await in_thread(self._run, job, leaving)
            except asyncio.CancelledError:
                leaving.leave()
                raise
        return result

    @async_twin(_run_async)
    def _run(self, job: BatchJob, leaving: Leaving | None = None) -> BatchResult[Any]:
        if isinstance(job.items, AsyncItems) and loop_runs():
            raise LoopRunning(job.node.name)  # the items come from this thread's event loop, which it would block
        with Feeding() as feeding:
            handle = self._start(job, feeding, HERE_S).reading_ahead()
            if leaving is not None:
                leaving.waits_for(handle)
            self._watching.wait(handle, job.node.on_progress)
            with redis_in_words(self.connections):
                return handle.result()

    def _start(self, job: BatchJob, feeding: Feeding, here_s: float, *, checked: bool = True) -> BatchHandle[Any]:
        items = Items(job.node.name, job.items, limit=job.limit, max_items=job.policy.max_items)
        try:
            return self._submit(job, items, feeding, here_s, checked)
        except REDIS_ERRORS as exc:
            if isinstance(exc, OSError) and exc is feeding.error:
                raise  # the source raised it: if the feeding has lost Redis, its error is NoRedis
            raise trouble(self.connections, exc) from exc

    def _submit(self, job: BatchJob, items: Items, feeding: Feeding, here_s: float, checked: bool) -> BatchHandle[Any]:
        """Send a batch; if writing a list takes longer than *here_s* seconds, a thread writes the rest."""
        batch_id = new_batch_id(job.label or job.node.name, job.key)
        look = functools.partial(self._look, batch_id, job, items, checked)
        warn_of_unseen(job)
        # An earlier batch has reached Redis: a short absence between two batches of a flow must not end the flow.
        header, place, slots, feeder = look() if self._latest is None else when_there(self.connections, look)
        # A sequence other than Python's own may allow only this thread to read it, such as a database cursor.
        by_any_thread = isinstance(items.at_hand(), (list, tuple, range))
        rest: Callable[[State], Feeding] | None = None
        if place != "whole" and feeder is not None:
            stream, given = items.at_hand() is None, source(items, job.node)
            if place == "fed":
                feeding.begin(feeder, feeder.take_over_steps(given), 0.0)
            elif stream:
                feeder.begin(place)
                feeding.begin(feeder, feeder.steps(given, place), 0.0)
            else:
                feeding.begin(feeder, feeder.steps(given, place), here_s if by_any_thread else math.inf)
            if not stream:
                rest = functools.partial(self._feed_rest, header, slots, given, 0.0 if by_any_thread else math.inf)
        self._latest = BatchHandle(
            self.connections, self.closings, header, job.policy,
            inputs=items.at_hand(), total=items.total, key_of=job.node.key_of,
            feeding=feeding if feeding.is_apart else None, rest=rest,
            learn=functools.partial(self._sizes.note, header.spec) if job.node.counted() == 1 else None,
        )  # fmt: skip
        return self._latest

    def _look(
        self, batch_id: str, job: BatchJob, items: Items, checked: bool
    ) -> tuple[Header, Place, int, Feeder | None]:
        """The batch's header, the place to feed from, the slots, and the feeder (None: all items are written).

        Begins nothing, so that it can be repeated.
        """
        header = self._header(batch_id, job)
        place: Place = 0 if job.key is None else place_of(self.connections, header.id)
        if place == "whole":
            return header, place, 0, None
        if place == 0 and checked:
            self._check_workers(job.node, header, items.at_hand())
        slots, known = self.fleet.slots(header.queue), self._sizes.get(header.spec)
        stream = items.at_hand() is None
        birth = birth_of(self.connections, header, job, items.total, stream=stream, slots=slots, known=known)
        return header, place, slots, Feeder(self.connections, header, birth, slots, resumable=job.key is not None)

    def _feed_rest(self, header: Header, slots: int, given: Iterable[Any], here_s: float, state: State) -> Feeding:
        """Write the items of a redriven batch, now in *state*, that its earlier end kept from being written."""
        feeder, feeding = Feeder(self.connections, header, {}, slots, gen=state.gen), Feeding()
        feeding.begin(feeder, feeder.steps(given, state.avail), here_s)
        return feeding

    def latest(self) -> BatchHandle[Any] | None:
        """The batch that was last submitted through this executor: the one that a blocking ``run`` waits for."""
        return self._latest

    @property
    def url(self) -> str:
        """The broker's URL without its password."""
        return redacted(self.settings.url)

    @property
    def fleet(self) -> Fleet:
        """The live workers, as seen at most a second ago."""
        if self._fleet is None:
            self._fleet = Fleet(self.connections.redis, self.connections.keys)
        return self._fleet

    def _header(self, batch_id: str, job: BatchJob) -> Header:
        if job.shared is None:
            return header_of(job, batch_id, self.settings.queue)
        # The blobs that a run's nodes write must live longer than the store of this process: their scope is the run.
        keeps = isinstance(job.node, RunFlow)
        run_id, scope = (batch_id, batch_id) if keeps else ("", self._scope_for(job.policy.retention_s))
        require = self.connections.headroom.require
        manifest = self._snapshots.save(scope, job.shared, job.policy.retention_s, require=require)
        return header_of(job, batch_id, self.settings.queue, manifest=manifest, scope=scope, run_id=run_id, keeps=keeps)

    def _scope_for(self, retention_s: float) -> str:
        """The owner of this process's stores that are kept for so long: batches share the blobs of equal values, and
        the end of each sets how long they stay.
        """
        return self._scopes.setdefault(retention_s, new_batch_id("store"))

    def _check_list(self, queue: str) -> None:
        """Raise ConfigError if none of the workers on *queue* reads the Redis list that this app sends to."""
        ours = queue_list(self.connections.app, queue)
        theirs = {worker.queues[queue] for worker in self.fleet.workers(queue)}
        if theirs and ours not in theirs:
            raise ConfigError(
                f"the workers on queue {queue!r} read the Redis list {min(theirs)!r}, this program sends to {ours!r}: "
                "flowq is installed on a Celery app of their own. Send with that app: flowq.connect(app=that_app)"
            )

    def _check_workers(self, node: Any, header: Header, items: Sequence[Any] | None) -> None:
        """Raise UnknownNode if no worker can run *node*; log a warning if there is no worker on a queue at all."""
        self._check_list(header.queue)
        spec = spec_of(node)
        wanted = spec.class_names()
        if self.fleet.workers(header.queue):
            wanted |= given_of_main(spec, items if isinstance(items, list | tuple) else ())
        if not _some_know(wanted, self.fleet.workers(header.queue)):
            there = self.fleet.workers(header.queue, fresh=True)
            if not _some_know(wanted, there) and (there or not _some_know(wanted, self.fleet.workers())):
                missing = sorted(name for name in wanted if not any(name in worker.nodes for worker in there))
                error = unknown_node(node.name, missing or sorted(wanted), queue=header.queue, workers=len(there))
                if error is not None:
                    raise error
        for queue in _queues_of(node, header.queue):
            if not self.fleet.workers(queue) and not self.fleet.workers(queue, fresh=True):
                log.warning(
                    "no worker consumes queue %r yet: the batch waits for one (%s)", queue, self.start_worker(queue),
                    extra={"batch": header.id},
                )  # fmt: skip


def _some_know(wanted: set[str], workers: Iterable[WorkerRecord]) -> bool:
    """Whether one of *workers* knows all the classes *wanted*."""
    return any(wanted <= set(worker.nodes) for worker in workers)


def _queues_of(node: Node[Any, Any], own: str) -> list[str]:
    """The queue of *node*'s batch, *own*, and those of the batches that its items start."""
    return list(
        dict.fromkeys([own, *(one.policy().queue or own for one in sent_to_workers(reachable(node.start_node)))])
    )
