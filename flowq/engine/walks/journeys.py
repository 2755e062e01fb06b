"""Journeys on workers: a walk that starts a batch is parked until that has closed, and holds no slot meanwhile.

Redelivery: a walk that is repeated from its saved state creates the same batches, whose ids are derived from the step,
and finds them there. How chunks run and commit: running/chunk.py, running/stream.py.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, Literal

from flowq.batch.batchflow import BatchFlow
from flowq.batch.executor import UNENDED, BatchJob
from flowq.batch.fanout import Fanout, sent_to_workers
from flowq.batch.items import Items
from flowq.batch.journey import BatchJourney
from flowq.batch.naming import new_batch_id
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.result import BatchResult
from flowq.core.context import ItemContext
from flowq.core.drive import ControlFlow, Steps
from flowq.core.graph import reachable
from flowq.core.journey import Frame, Left, OutOfReach
from flowq.core.node import Node
from flowq.core.store.overlay import Overlay
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish
from flowq.engine.ending.facts import child_fact
from flowq.engine.ending.family import start_child
from flowq.engine.ending.folds import is_reduced
from flowq.engine.ending.gather import gather
from flowq.engine.feeding.birth import header_of, source
from flowq.engine.fleet.presence import Fleet
from flowq.engine.known_sizes import KnownSizes
from flowq.engine.reading.results import read_state
from flowq.engine.stored.kept_store import KeptStore
from flowq.engine.stored.on_the_way import left_in_trouble, read, write
from flowq.engine.stored.reached import Reached
from flowq.engine.stored.snapshots import Snapshots
from flowq.engine.walks.event_waits import EventWaits
from flowq.errors import BatchLost, DecodeError

log = logging.getLogger("flowq.journeys")

Keep = Callable[[int, bytes], None]

# The state of an awaited batch: it has ended, runs, was not fully written, or is lost.
Stands = Literal["over", "runs", "unfed", "lost"]

PAUSE_LOOK_S = 0.5


class Abandoned(ControlFlow):
    """Another process holds the item by now, or its batch is closed: this walk's result would be refused."""


class ItemJourneys:
    """The journeys of one batch's items in this process.

    Args:
        connections, snapshots, fleet, sizes: this process's own.
        header: of the batch.
        policy: of the batch.
    """

    def __init__(
        self,
        connections: Connections,
        snapshots: Snapshots,
        fleet: Fleet,
        sizes: KnownSizes,
        header: Header,
        policy: BatchPolicy,
    ) -> None:
        self.connections, self.snapshots, self.fleet, self.sizes = connections, snapshots, fleet, sizes
        self.header = header
        self.retention_s = policy.retention_s
        self.gen = 0
        self.keep: Keep | None = None
        self._left: dict[int, bytes] = {}

    def begin(self, gen: int, index: int, reached: bytes, keep: Keep | None = None) -> None:
        """Prepare the run of item *index* in generation *gen*, from its saved state (b"": from its start).

        *keep*: called with the item's index and its state after every node; None: no state is kept.
        """
        self.gen, self.keep = gen, keep
        if reached:
            self._left[index] = reached

    def go_on(self, index: int) -> bool:
        """See Journeys."""
        blob = self._left.get(index, b"")
        try:
            return blob != b"" and Reached.decode(blob).gen == self.gen
        except DecodeError:  # raised again when the journey is made
            return False

    def __call__(self, flow: BatchFlow, ctx: ItemContext, store: Overlay) -> ItemJourney:
        """See Journeys. Raises DecodeError for a state that this process cannot read."""
        index = ctx.item_index or 0
        blob = self._left.pop(index, b"")
        reached = Reached.decode(blob) if blob else Reached(self.gen)
        try:
            journey = ItemJourney(self, flow, index, ctx.attempt, store, reached)
        except OutOfReach as error:
            raise error.left(blob) from error
        journey.kept = blob
        if self.header.keeps:  # only runs receive events: an item of a batch would wait for ever
            ctx.on_wait = journey.waits.wait_for
            # That a run is item 0 of a batch is internal: nodes that used that item's key would all share one.
            ctx.item_index = ctx.idempotency_key = None
        return journey


class ItemJourney(BatchJourney):
    """One try of one item's walk.

    Attributes:
        waits: the events that it waits for.
    """

    def __init__(
        self, among: ItemJourneys, flow: BatchFlow, index: int, attempt: int, store: Overlay, reached: Reached
    ) -> None:
        super().__init__(flow, reached.frames, reached.steps)
        header = among.header
        self._among, self._connections = among, among.connections
        self._index, self._attempt, self._store = index, attempt, store
        self._reached = reached
        self._redriven = reached.gen < among.gen
        if self._redriven:
            reached.until.clear()  # in a new generation every wait has its full time again
        reached.gen = among.gen
        self._kept = KeptStore(
            among.snapshots, header.blob_scope, header.manifest or {}, among.retention_s,
            reached.floor, reached.recent, holder=header.id,
        )  # fmt: skip
        self._kept.restore(store)
        self.waits = EventWaits(among.connections, header.id, reached, self._encoded)
        self._looks_s = 0.0

    # -- nodes -----------------------------------------------------------------------------------------------------

    def reached(self, shared: Any, name: str) -> None:
        """See Journey. A durable run keeps its state here.

        Raises:
            Abandoned: another process holds the run by now, or it is closed.
            OutOfReach: Redis does not accept the state.
            Left: the run is paused; it continues from here.
        """
        state = self._reached
        state.name, state.action, state.at_s = name, self.frames[-1].action, time.time()
        self.waits.taken.settle(state.received)
        self.waits.reset()
        if self._among.keep is not None:
            kept = self._encoded()
            self._among.keep(self._index, kept)
            self.kept = kept
            if self._is_paused():
                raise Left("paused", (), kept, 0.0)

    def _is_paused(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._looks_s:
            return False
        self._looks_s = now_s + PAUSE_LOOK_S
        connections = self._among.connections
        meta = connections.keys.meta(self._among.header.id)
        state: bytes | None = read(connections, lambda: connections.redis.hget(meta, "state"))
        return state == b"paused"

    def restart(self, flow: Node[Any, Any], attempt: int) -> Frame:
        """See Journey."""
        self.waits.reset()
        return super().restart(flow, attempt)

    def arrived(self, shared: Overlay, action: str | None) -> Any:
        """See BatchJourney. The walk's changes to the store were saved after its last node."""
        return action

    def _encoded(self) -> bytes:
        self._kept.save(self._store)
        state = self._reached
        state.steps, state.frames = self.steps, list(self.frames)
        state.floor, state.recent = self._kept.floor, self._kept.recent
        return state.encode()

    # -- batches ---------------------------------------------------------------------------------------------------

    def continues(self) -> bool:
        """See Journey. A redriven walk counts as begun anew."""
        return super().continues() and not self._redriven

    def continues_from_batch(self) -> bool:
        """See BatchJourney."""
        return self.waits_for_batch() and not self._redriven

    def waits_for_batch(self) -> bool:
        """See BatchJourney."""
        return self._reached.child is not None

    def fan_out(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        """See BatchJourney."""
        self._reached.child = yield self._start, (job,)
        stands: Stands = yield self._look, (job.node,)
        if stands == "over":
            return (yield from self._gather(job.node, self._store))[1]
        child, gen = self._reached.child
        if stands == "lost":  # Redis lost it right after it was written: its end would never be told
            raise BatchLost(child)
        raise Left("batch", (child_fact(child, gen),), (yield self._encoded, ()))

    def collect(self, node: Fanout[Any, Any], shared: Any) -> Steps[tuple[Any, BatchResult[Any]] | None]:
        """See BatchJourney. Changes that ``prep`` made to the store stay, although it is then called again."""
        stands: Stands = yield self._look, (node,)
        if stands == "over":
            return (yield from self._gather(node, shared))
        if stands != "runs":
            return None
        assert self._reached.child is not None
        raise Left("batch", (child_fact(*self._reached.child),), (yield self._encoded, ()))

    def _gather(self, node: Fanout[Any, Any], shared: Any) -> Steps[tuple[Any, BatchResult[Any]]]:
        assert self._reached.child is not None
        (child, _), self._reached.child = self._reached.child, None
        brought: tuple[Any, BatchResult[Any]] = yield gather, (self._connections, child, node, shared)
        return brought

    def _start(self, job: BatchJob) -> tuple[str, int]:
        """Feed the batch of *job*, from where it stands if an earlier walk has begun it; returns its id and generation.

        A lost batch is created again under its id, so that its items keep their idempotency keys, and in the next
        generation, as after a redrive, because the close of the previous one may be a fact already.
        """
        parent = self._among.header
        items = Items(job.node.name, job.items, limit=job.limit, max_items=job.policy.max_items)
        # Each try of a flow runs its batches anew, even if no node of it was completed in the try before.
        tries = ".".join(str(frame.attempt) for frame in self.frames)
        step = f"{parent.id}:{self._reached.gen}:{self._index}:{self._attempt}:{self.steps}:{tries}"
        manifest = None
        if job.shared is not None:
            self._kept.save(self._store)
            manifest = self._kept.manifest()
        batch_id, gen = self._reached.child or (new_batch_id(job.label or job.node.name, step), 0)
        header = header_of(
            job, batch_id, parent.queue, manifest=manifest,
            scope=parent.blob_scope, run_id=parent.run_id, parent=parent.id, root=parent.root,
        )  # fmt: skip
        slots = read(self._connections, lambda: self._among.fleet.slots(header.queue))
        with left_in_trouble():
            start_child(
                self._connections, header, job, source(items, job.node), items.total,
                slots=slots, known=self._among.sizes.get(header.spec), gen=gen,
            )  # fmt: skip
        return batch_id, gen

    def _look(self, node: Fanout[Any, Any]) -> Stands:
        """The state of the awaited batch; one that failed before this redrive is redriven.

        Redelivery: a repeated call finds the generation that this or an earlier walk began.
        """
        assert self._reached.child is not None
        child, gen = self._reached.child
        try:
            state = read(self._connections, lambda: read_state(self._connections, child))
        except BatchLost:
            log.warning("a batch that an item waited for is gone: it is begun anew", extra={"batch": child})
            self._reached.child = (child, gen + 1)
            return "lost"
        self._reached.child = (child, max(gen, state.gen))
        if not state.closed:
            return "runs" if state.sealed else "unfed"
        if state.gen < gen:
            return "runs"
        if node.reduces and not read(self._connections, lambda: is_reduced(self._connections, child, state.gen)):
            return "runs"
        failed = state.state != "succeeded" or (state.failed and node.policy().on_error == "raise")
        if self._redriven and failed:
            self._redriven = False
            done, now, ids = write(lambda: self._connections.ledger.control(child, "redrive"), log_as={"batch": child})
            # If it runs already, Redis has redriven it before, and the reply was lost.
            if done == "ok" or now in UNENDED:
                self._reached.child = (child, state.gen + 1)
                read(self._connections, lambda: publish(self._connections, child, ids))
                return "runs"
        return "over"


def may_be_left(flow: BatchFlow) -> bool:
    """Whether an item's walk over *flow* may have to wait for a batch of its own."""
    return bool(sent_to_workers(reachable(flow.start_node)))
