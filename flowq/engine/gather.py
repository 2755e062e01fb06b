"""A closed batch put together again, for a walk that waited for it. Never waits; the producer's way is its handle."""

from __future__ import annotations

from typing import Any

from flowq.batch.fanout import Fanout
from flowq.batch.result import BatchResult
from flowq.engine.aggregate import reduced
from flowq.engine.connection import Connections
from flowq.engine.results import read_dones, read_state, reason_of
from flowq.engine.stored_items import StoredSequence


def gather(
    connections: Connections, batch_id: str, node: Fanout[Any, Any], shared: Any
) -> tuple[StoredSequence, BatchResult[Any]]:
    """The items of a closed batch, as Redis holds them, and its result.

    Raises:
        BatchError: what *node*'s policy says is raised.
        BatchLost: Redis no longer holds it.
        MergeConflict: two items of a BatchFlow contradict each other.
    """
    state = read_state(connections, batch_id)
    policy = node.policy()
    items = StoredSequence(connections, batch_id, state.avail)
    result: BatchResult[Any] = BatchResult.assemble(
        read_dones(connections, batch_id), state.avail, on_error=policy.on_error, label=node.label or node.name,
        seconds=state.seconds, reason=reason_of(state, policy), inputs=items, key_of=node.key_of,
        sink=policy.sink is not None,
    )  # fmt: skip
    if node.reduces:
        result.delta = reduced(connections, batch_id, state.gen)
    result.raise_for(policy.on_error, policy.max_failures)
    return items, result
