"""The states that a run kept: listing them, opening their stores, reopening the run from one. Never walks a flow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowq.batch.naming import new_batch_id
from flowq.batch.policies.policy import BatchPolicy
from flowq.core.store.overlay import Overlay
from flowq.core.walks.runs import Checkpoint
from flowq.engine.batches import Header, model_of
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.feeding.birth import birth_fields
from flowq.engine.feeding.feed import Feeder
from flowq.engine.ids import generation, is_chunk_id, record
from flowq.engine.patience import trouble
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.stored.kept_store import KeptStore
from flowq.engine.stored.reached import Reached
from flowq.engine.stored.snapshots import SnapshotBase, Snapshots
from flowq.engine.stored.stored_items import StoredItems
from flowq.errors import FlowError

KEPT = 1000  # steps whose states are kept; MOST_STEPS of lib.lua
RUN = 0  # the index of a run in its batch of one
# Seconds for which a fork's state is kept until its run is created: its creator may die, or find no room.
UNBORN_S = 3600


class Checkpoints:
    """The kept states of one run."""

    def __init__(self, connections: Connections, snapshots: Snapshots, header: Header) -> None:
        self._connections, self._snapshots, self._header = connections, snapshots, header

    def steps(self) -> list[Checkpoint]:
        """The completed nodes in order of completion, those of all generations."""
        found: list[Checkpoint] = []
        known = set[tuple[int, float]]()
        states = self._states()
        for reached in states:
            if found and (found[-1].number, found[-1].generation) == (reached.steps, reached.gen):
                continue  # the same step: parked after it, or done twice
            # A state of a later generation repeats the step that it continued from: that was completed earlier.
            if not reached.steps or (reached.steps, reached.at_s) in known:
                continue
            known.add((reached.steps, reached.at_s))
            before = found[-1].at_s if found else self._before_first(reached, len(states))
            found.append(
                Checkpoint(
                    reached.steps, reached.name, reached.action, reached.at_s, reached.at_s - before, reached.gen
                )
            )
        return found

    def _before_first(self, first: Reached, kept: int) -> float:
        """When the first step of *kept* ones began, in seconds since the epoch: with the run, unless steps before it
        are no longer kept; then its end, as nothing else is known.
        """
        if first.steps > 1 and kept >= KEPT:
            return first.at_s
        created_ms = self._connections.redis.hget(self._connections.keys.meta(self._header.id), "created_ms")
        return first.at_s if created_ms is None else min(int(created_ms) / 1000, first.at_s)

    def store(self) -> Overlay:
        """The store as the run last saved it; its values are fetched when they are read."""
        states = self._states()
        header = self._header
        below = header.manifest or {}
        if states:
            kept = KeptStore(self._snapshots, header.scope, below, 0.0, states[-1].floor, states[-1].recent)
            below = kept.manifest()
        schema = model_of(header.schema) if header.schema else None
        return Overlay(_FromAfar(self._connections, self._snapshots, header.scope, below), schema)

    def waited_for(self) -> list[str]:
        """The ids of the batches that the run was parked for. (The facts of a cancelled run no longer name them.)"""
        return [reached.child[0] for reached in self._states() if reached.child is not None]

    def state_after(self, step: int) -> bytes:
        """The state after that many nodes, without what it then waited for; b"" for 0.

        Raises:
            FlowError: the run has not kept that step.
        """
        if step == 0:
            return b""
        # The last completion of that step, and of its states the first, which later waits have not changed.
        found = [reached for reached in self._states() if reached.steps == step]
        if not found:
            last = max((reached.steps for reached in self._states()), default=0)
            raise FlowError(
                f"run {self._header.id} has kept no step {step}: its last is {last}, and it keeps a thousand"
            )
        newest = next(one for one in found if one.at_s == found[-1].at_s)
        return replace(newest, child=None, until={}).encode()

    def fork(self, policy: BatchPolicy, slots: int, state: bytes) -> Header:
        """Create a new run that continues from *state*; it shares blobs with this one.

        Raises:
            RedisFull, NoRedis: no run was started.
        """
        connections, run_id = self._connections, new_batch_id(self._header.label)
        header = replace(self._header, id=run_id, run_id=run_id)
        params = StoredItems(connections, self._header.id)[RUN]
        if state:
            # Events that this run has received are not sent to the new one, which counts its own.
            state = replace(Reached.decode(state), received={}).encode()
            with connections.redis.pipeline() as pipe:
                saved = connections.keys.of(run_id, "saved")
                pipe.hset(saved, f"last:{RUN}", state)
                pipe.expire(saved, UNBORN_S)
                pipe.execute()
        birth = birth_fields(connections, header, policy, 1, 1)
        Feeder(connections, header, birth, slots).feed([params])
        return header

    def begin_again(self, state: bytes) -> bool:
        """Reopen a run that has ended, from *state*; returns whether it had ended.

        Events that later steps received are not delivered again: those who are asked anew may answer otherwise.
        """
        reached = Reached.decode(state) if state else Reached()
        for one in self._states():
            for name, count in one.received.items():
                reached.received[name] = max(count, reached.received.get(name, 0))
        reopened = self._connections.ledger.reopen(self._header.id, reached.encode() if reached.received else state)
        publish_chunks(self._connections, self._header, reopened.ids)
        return reopened.done == "ok"

    def _states(self) -> list[Reached]:
        """Every kept state, in the order in which they were kept."""
        saved = self._connections.redis.hgetall(self._connections.keys.of(self._header.id, "saved"))
        by_id = {name.decode(): blob for name, blob in saved.items()}
        ids = sorted((one for one in by_id if is_chunk_id(one)), key=lambda one: (generation(one), record(one)))
        return [Reached.decode(by_id[one]) for one in ids]


class _FromAfar(SnapshotBase):
    """The snapshot below the store of a run's result, which fails helpfully: its readers may not know of Redis."""

    def __init__(self, connections: Connections, snapshots: Snapshots, scope: str, manifest: Mapping[str, str]) -> None:
        super().__init__(snapshots, scope, manifest)
        self._connections = connections

    def load(self, key: str) -> Any:
        """The value of *key*; raises NoRedis while Redis does not answer."""
        try:
            return super().load(key)
        except REDIS_ERRORS as exc:
            error = trouble(self._connections, exc)
            error.add_note(
                f"the values of a run's store are fetched when they are read, shared[{key!r}] among them; "
                "dict(result.shared) fetches all, as long as Redis (or the LocalCluster) is there"
            )
            raise error from exc
