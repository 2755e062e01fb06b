"""``get_batch``, ``get_run``: handles of what another process submitted, today or days ago. Never submits."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from flowq.batch.executor import active
from flowq.batch.fanout import Fanout
from flowq.batch.policies.policy import BatchPolicy
from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.client.run import DurableRun
from flowq.client.submitted import lost_as
from flowq.codec import loads
from flowq.core.spec import FlowSpec, build
from flowq.engine.batches import Header, read_header, read_policy
from flowq.engine.care.catalog import Kind
from flowq.engine.connection import Connections
from flowq.engine.ids import is_batch_id
from flowq.engine.patience import redis_in_words
from flowq.engine.stored.stored_items import StoredItems
from flowq.errors import BatchLost, CannotTravel, ConfigError, DecodeError, FlowError
from flowq.registry import registered


def get_batch(batch_id: str) -> BatchHandle[Any]:
    """The handle of a batch on the workers, in any process, for as long as Redis keeps the batch.

    The batch is looked up where this program's batches go: in the running ``LocalCluster``, else at
    ``FLOWQ_BROKER_URL``.

    Args:
        batch_id: as shown by ``handle.id``, ``flowq ls`` and Flower.

    Raises:
        TypeError: *batch_id* is not a str.
        BatchLost: there is no batch with this id (any more).
        ConfigError: batches of this program run in its own process, so there is no Redis to look in.
        FlowError: it is the id of a run.
        NoRedis: Redis does not answer.
    """
    found = submitted(_fleet_of(_checked(batch_id, "batch")), batch_id, "batch")
    if isinstance(found, DurableRun):
        raise FlowError(f"{batch_id} is a run and no batch: flowq.get_run({batch_id!r})")
    return found


def get_run(run_id: str) -> DurableRun:
    """The handle of a submitted flow, in any process, for as long as Redis keeps the run.

    Args:
        run_id: as shown by ``run.id``, ``flowq ls`` and Flower.

    Raises:
        TypeError: *run_id* is not a str.
        BatchLost: there is no run with this id (any more).
        ConfigError: flows of this program run in its own process, so there is no Redis to look in.
        FlowError: it is the id of a batch.
        NoRedis: Redis does not answer.
    """
    found = submitted(_fleet_of(_checked(run_id, "run")), run_id, "run")
    if not isinstance(found, DurableRun):
        raise FlowError(f"{run_id} is a batch and no run: flowq.get_batch({run_id!r})")
    return found


def _checked(wanted: Any, kind: Kind) -> str:
    if isinstance(wanted, str):
        return wanted
    if isinstance(wanted, BatchHandle | DurableRun):
        raise TypeError(f"flowq.get_{kind} takes an id, and was given the handle of {wanted.id} itself")
    raise TypeError(f"flowq.get_{kind} takes the id of a {kind}, a str, not {type(wanted).__name__}")


def _fleet_of(wanted: str) -> CeleryExecutor:
    executor = active()
    if not isinstance(executor, CeleryExecutor):
        raise ConfigError(
            f"{wanted} cannot be looked up: this program runs its batches and flows in its own process. "
            "Set FLOWQ_BROKER_URL to the Redis that holds it."
        )
    return executor


def submitted(executor: CeleryExecutor, wanted: str, kind: str) -> BatchHandle[Any] | DurableRun:
    """The batch or run with the id *wanted* on the fleet of *executor*.

    Args:
        kind: "batch" or "run", for the error.

    Raises:
        BatchLost: there is none with this id (any more).
        NoRedis: Redis does not answer.
    """
    connections = executor.connections
    header, policy, total = _looked_up(connections, wanted, kind)
    if header.keeps:
        return DurableRun(connections, executor.closings, header, policy)
    return BatchHandle(
        connections, executor.closings, header, policy,
        inputs=StoredItems(connections, wanted), total=total, key_of=_key_of(header),
    )  # fmt: skip


def attached(executor: CeleryExecutor, batch_id: str) -> BatchHandle[Any]:
    """The handle of *batch_id*, which is not the id of a run; raises what ``submitted`` raises."""
    handle = submitted(executor, batch_id, "batch")
    assert isinstance(handle, BatchHandle)
    return handle


def _looked_up(connections: Connections, wanted: str, kind: str) -> tuple[Header, BatchPolicy, int | None]:
    """The header of a batch or run, its stored policy, and its number of items if that was known at its birth."""
    if not is_batch_id(wanted):
        raise BatchLost(wanted, kind)
    with lost_as(kind, wanted), redis_in_words(connections):
        header = read_header(connections.redis, connections.keys, wanted)
        return header, *read_policy(connections.redis, connections.keys, wanted)


def _key_of(header: Header) -> Callable[[Any], Any]:
    """Returns a function from an item to its key; its results are None if this process does not know the node.

    The node is built only when a key is asked for: its constructor may do anything, its module may be imported until
    then, and inspecting or ending a batch must not require its classes.
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
