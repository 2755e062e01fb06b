"""``get_batch``, ``get_run``: the handles of what another process submitted, today or days ago. Never submits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from flowq.batch.executor import active
from flowq.batch.fanout import Fanout
from flowq.batch.policy import BatchPolicy
from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.client.run import DurableRun
from flowq.codec import loads
from flowq.core.spec import FlowSpec, build
from flowq.engine.batches import Header, read_header, read_policy
from flowq.engine.connection import Connections
from flowq.engine.ids import is_batch_id
from flowq.engine.patience import redis_in_words
from flowq.engine.stored.stored_items import StoredItems
from flowq.errors import BatchLost, CannotTravel, ConfigError, DecodeError, FlowError
from flowq.registry import registered


def get_batch(batch_id: str) -> BatchHandle[Any]:
    """The handle of a batch on the workers, from any process, for as long as Redis keeps the batch.

    It is looked for where this program's batches go: in the running ``LocalCluster``, else at ``FLOWQ_BROKER_URL``.

    Args:
        batch_id: as ``handle.id``, ``flowq ls`` and Flower show it.

    Raises:
        BatchLost: there is no batch of this id (any more).
        ConfigError: batches of this program run in its own process, so there is nowhere to look.
        NoRedis: nothing answers at the broker's URL.
    """
    return attached(_fleet_of(batch_id), batch_id)


def get_run(run_id: str) -> DurableRun:
    """A flow that was submitted, from any process, for as long as Redis keeps the run.

    Args:
        run_id: as ``run.id``, ``flowq ls`` and Flower show it.

    Raises:
        BatchLost: there is no run of this id (any more).
        ConfigError: flows of this program run in its own process, so there is nowhere to look.
        FlowError: it is the id of a batch.
        NoRedis: nothing answers at the broker's URL.
    """
    return attached_run(_fleet_of(run_id), run_id)


def _fleet_of(wanted: str) -> CeleryExecutor:
    executor = active()
    if not isinstance(executor, CeleryExecutor):
        raise ConfigError(
            f"{wanted} cannot be looked up: this program runs its batches and flows in its own process. "
            "Set FLOWQ_BROKER_URL to the Redis that holds it."
        )
    return executor


def attached_run(executor: CeleryExecutor, run_id: str) -> DurableRun:
    """The run on the fleet of *executor*; raises what ``get_run`` raises."""
    header, policy, _ = _looked_up(executor.connections, run_id)
    if not header.keeps:
        raise FlowError(f"{run_id} is a batch and no run: flowq.get_batch({run_id!r})")
    return DurableRun(executor.connections, executor.closings, header, policy)


def attached(executor: CeleryExecutor, batch_id: str) -> BatchHandle[Any]:
    """The handle of *batch_id* on the fleet of *executor*; raises what ``get_batch`` raises."""
    connections = executor.connections
    header, policy, total = _looked_up(connections, batch_id)
    return BatchHandle(
        connections, executor.closings, header, policy,
        inputs=StoredItems(connections, batch_id), total=total, key_of=_key_of(header),
    )  # fmt: skip


def _looked_up(connections: Connections, batch_id: str) -> tuple[Header, BatchPolicy, int | None]:
    """What a batch or run is, what it remembers of its policy, and the number of its items if that was known."""
    if not is_batch_id(batch_id):
        raise BatchLost(batch_id)
    with redis_in_words(connections):
        header = read_header(connections.redis, connections.keys, batch_id)
        return header, *read_policy(connections.redis, connections.keys, batch_id)


def _key_of(header: Header) -> Callable[[Any], Any]:
    """Makes an item's key of it; None of each where this process does not know the batch's node.

    Nothing is looked up before a key is asked for: a constructor may do anything, a module may be imported until then,
    and whoever only looks at a batch, or ends it, need not know its classes.
    """

    @cache
    def own() -> Callable[[Any], Any] | None:
        try:
            spec = FlowSpec.from_plain(loads(header.spec))
            cls = registered(spec.nodes[0].node)
        except (KeyError, CannotTravel, DecodeError):
            return None
        is_keyed = issubclass(cls, Fanout) and (cls.key_of is not None or "key" in spec.nodes[0].kwargs)
        return getattr(build(spec), "key_of", None) if is_keyed else None

    def key_of(item: Any) -> Any:
        made = own()
        return None if made is None else made(item)

    return key_of
