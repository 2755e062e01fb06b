"""Assembling the result of a closed batch, for its handle and for a walk that waited for it. Never waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Unpack

from flowq.batch.fanout import Fanout
from flowq.batch.inline.batch import InlineBatch
from flowq.batch.inline.log import Before
from flowq.batch.items import Picked
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.account import Known
from flowq.batch.results.done import Done
from flowq.batch.results.result import BatchResult
from flowq.core.drive import Steps
from flowq.engine.connection import Connections
from flowq.engine.ending.folds import reduced
from flowq.engine.ending.parts import deltas_by_index
from flowq.engine.limits.gate import fleet_gate
from flowq.engine.patience import when_there
from flowq.engine.reading.results import State, read_fields, read_state_and_fields, reason_of, was_freed
from flowq.engine.stored.on_the_way import left_in_trouble, read
from flowq.engine.stored.stored_items import StoredSequence
from flowq.errors import ResultsFreed


def put_together(
    connections: Connections,
    batch_id: str,
    state: State,
    dones: Iterable[Done],
    n: int,
    policy: BatchPolicy,
    *,
    sink: bool,
    reduces: bool,
    **known: Unpack[Known],
) -> BatchResult[Any]:
    """The result of a batch that was closed as *state* says; its failure is not raised.

    Args:
        dones: its commits, later ones replacing earlier ones.
        n: number of its items.
        sink: its values went to a sink.
        reduces: the aggregation has merged deltas.
        **known: what the caller knows of it in addition.

    Raises:
        BatchLost: Redis no longer holds it.
        MergeConflict: two items of a BatchFlow contradict each other.
        NoRedis: Redis has not answered for 30 s.
        ResultsFreed: a reader has freed its outcomes.
    """
    known["seconds"], known["reason"] = state.seconds, reason_of(state, policy)
    result: BatchResult[Any] = BatchResult.assemble(dones, n, on_error=policy.on_error, sink=sink, **known)
    if result.cancelled and when_there(connections, lambda: was_freed(connections, batch_id)):
        raise ResultsFreed(batch_id)
    if reduces:
        result.delta = reduced(connections, batch_id, state.gen)
    return result


def gather(
    connections: Connections, batch_id: str, node: Fanout[Any, Any], shared: Any
) -> tuple[StoredSequence, BatchResult[Any]]:
    """The items of a closed batch as Redis holds them, and its result, whose reruns of items run in this process.

    Args:
        shared: the store of the walk that waited for it.

    Raises:
        BatchError: the batch failed, and *node*'s policy raises that.
        BatchLost: Redis no longer holds it.
        MergeConflict: two items of a BatchFlow contradict each other.
        OutOfReach: Redis has not answered for 30 s.
    """
    state, fields, _ = read(connections, lambda: read_state_and_fields(connections, batch_id))
    dones = read(connections, lambda: list(read_fields(connections, batch_id, fields)))
    items, policy = StoredSequence(connections, batch_id, state.avail), node.policy()
    before = Before(dones, state.avail, state.seconds, items)
    with left_in_trouble():
        result = put_together(
            connections, batch_id, state, dones, state.avail, policy,
            sink=policy.sink is not None, reduces=node.reduces, label=node.label or node.name, inputs=items,
            key_of=node.key_of, again=lambda indices: _again(connections, batch_id, node, shared, before, indices),
            over_store=node.carries_changes,
        )  # fmt: skip
    result.raise_for(policy.on_error, policy.max_failures)
    return items, result


def _again(
    connections: Connections, batch_id: str, node: Fanout[Any, Any], shared: Any, before: Before, indices: Sequence[int]
) -> Steps[BatchResult[Any]]:
    """Runs items here instead of by a redrive, because the caller holds a slot meanwhile, which may be the only one."""
    node = node.__copy__()
    node.journey = None  # that of the walk, which these items do not belong to
    if node.reduces:
        before = yield _with_deltas, (connections, batch_id, before)
    job = node.job(before.inputs, shared=shared)
    items, gates = Picked(before.inputs, indices), partial(fleet_gate, connections)
    again = InlineBatch(job, items, places=job.policy.concurrency, batch_id=batch_id, gates=gates, before=before)
    result: BatchResult[Any] = yield again.run, ()
    return result


def _with_deltas(connections: Connections, batch_id: str, before: Before) -> Before:
    """*before* with the deltas of its items, which the commits leave out."""
    brought: dict[int, Any] = {}
    for by_index in read(connections, lambda: list(deltas_by_index(connections, batch_id, (0, before.n)))):
        brought.update(by_index)
    runs = [
        replace(done, deltas=[brought.pop(index, None) for index in range(done.start, done.upto)])
        for done in before.runs
    ]
    return replace(before, runs=runs)
