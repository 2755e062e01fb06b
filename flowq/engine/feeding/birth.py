"""How a job becomes a batch: its header, encoded graph, ledger fields and items. Never writes to Redis."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from flowq.batch.executor import BatchJob
from flowq.batch.items import Items, part
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.sink import address_of
from flowq.batch.running.sizing import first_floor
from flowq.batch.running.twins import Marked
from flowq.codec import dumps, explain
from flowq.core.spec import FlowSpec, spec_of
from flowq.engine.batches import Header, remembered
from flowq.engine.connection import Connections
from flowq.engine.known_sizes import Sizes
from flowq.errors import CannotTravel, EncodeError
from flowq.registry import class_name, is_registered


def header_of(
    job: BatchJob,
    batch_id: str,
    queue: str,
    *,
    manifest: Mapping[str, str] | None = None,
    scope: str = "",
    run_id: str = "",
    parent: str = "",
    keeps: bool = False,
    root: str = "",
) -> Header:
    """The header of *job*'s batch.

    Args:
        queue: for its chunks, unless the job's policy names another.
        manifest, scope: the snapshot of its store, if it has one.
        run_id, parent, keeps, root: see :class:`~flowq.engine.batches.Header`.

    Raises:
        CannotTravel: the node, an argument of it or the store's schema cannot be sent to workers.
        ConfigError: its sink cannot be opened.
    """
    node = job.node
    return Header(
        batch_id, job.label or node.name, full_name(node), job.policy.queue or queue, job.policy.priority,
        encoded(spec_of(node)), node.reduces, None if manifest is None else dict(manifest), scope, schema_name(job),
        run_id, parent, keeps, "" if job.policy.sink is None else address_of(job.policy.sink),
        root or (batch_id if limits_its_family(job) else ""),
        "" if job.policy.sink is None else secrets.token_hex(4),
    )  # fmt: skip


def birth_of(
    connections: Connections,
    header: Header,
    job: BatchJob,
    total: int | None,
    *,
    stream: bool,
    slots: int = 1,
    known: Sizes | None = None,
) -> dict[str, Any]:
    """The ledger's fields for *job*'s batch, whether a producer or an item of another batch creates it.

    Args:
        connections, header: this process's connections; the batch's header.
        total, stream: see ``birth_fields``.
        slots: the slots that it may use.
        known: chunk sizes to begin with, from an earlier batch of the node.
    """
    node = job.node
    fields = birth_fields(
        connections, header, job.policy, node.counted(), total, stream=stream, keyed=node.computes_once
    )
    if job.key is not None:
        fields["key"] = job.key  # for display: it cannot be recovered from the id, which is derived from it
    if known is not None and not fields["fixed"]:
        fields["size"] = known.size
        fields["floor"] = first_floor(known.floor, total or 1, slots)
    return fields


def birth_fields(
    connections: Connections,
    header: Header,
    policy: BatchPolicy,
    in_flight: int,
    total: int | None = None,
    *,
    stream: bool = False,
    keyed: bool = False,
) -> dict[str, Any]:
    """The ledger's fields of a new batch, including those of its header.

    Args:
        connections, header, policy: this process's connections; the batch's header and policy.
        in_flight: items that one process runs at once.
        total: number of items, if it is known already.
        stream: the items do not come from a sequence: pages whose items have all ended well are dropped.
        keyed: some items may be twins of others, whose outcomes are then looked up by index.
    """
    count, share = policy.failure_budget()
    fixed = policy.chunk_size != "auto"
    return {
        **header.fields(),
        "budget": -1 if count is None else count,
        "share": -1 if share is None else share,
        "concurrency": policy.concurrency or 0,
        "in_flight": in_flight,
        "size": policy.chunk_size if fixed else in_flight,
        "floor": 1,
        "fixed": int(fixed),
        "reduces": int(header.reduces),
        # Its close leaves nothing to do: no merge, no parent to tell, no sink to sweep, no store to release.
        "plain": int(not (header.reduces or header.parent or header.sink or header.has_store)),
        "keeps": int(header.keeps),
        **({} if not header.root else crowd_fields(connections, header.root)),
        "kind": "run" if header.keeps else "child" if header.parent else "batch",
        "stream": int(stream),
        "keyed": int(keyed),
        "channel": connections.keys.closed_channel(header.id),
        "retention_ms": int(policy.retention_s * 1000),
        "deadline_ms": 0 if policy.deadline is None else max(1, int(policy.deadline * 1000)),
        "policy": remembered(policy),
        "total": -1 if total is None else total,
    }


def crowd_fields(connections: Connections, root: str) -> dict[str, str]:
    """The keys where a family's items in flight are counted, and where its batches that wait for a place are listed."""
    return {"crowd": connections.keys.meta(root), "starved": connections.keys.starved(root)}


def limits_its_family(job: BatchJob) -> bool:
    """Whether the batch's ``concurrency`` also applies to the batches of its items."""
    return job.policy.concurrency is not None and job.node.carries_changes


def full_name(node: Any) -> str:
    """A node's display name, qualified by the flow that contains it: ``Nightly.Parse``."""
    return f"{node.within}.{node.name}" if node.within else str(node.name)


def encoded(spec: FlowSpec) -> bytes:
    """Encode the graph.

    Raises:
        CannotTravel: an argument cannot be encoded; names it and its node.
    """
    try:
        return dumps(spec.to_plain())
    except EncodeError:
        for node in spec.nodes:
            named = [(f"argument {place + 1}", value) for place, value in enumerate(node.args)]
            named += [(f"argument {name!r}", value) for name, value in node.kwargs.items()]
            named += [(f"param {name!r}", value) for name, value in node.params.items()]
            named += [(f"hook {place + 1}", hook) for place, hook in enumerate(node.hooks)]
            for name, value in named:
                error = explain(value)
                if error is not None:
                    raise CannotTravel(f"{name} of node {node.label}", error.reason) from error
        raise


def schema_name(job: BatchJob) -> str:
    """The class name of the shared store's schema, "" if it has none.

    Raises:
        CannotTravel: the schema is not registered, so that workers could not find it.
    """
    schema = getattr(job.shared, "schema", None)
    if schema is None:
        return ""
    if not is_registered(schema):
        raise CannotTravel(f"the store's schema {schema.__name__}", "decorate it with @flowq.register")
    return class_name(schema)


def source(items: Items, node: Any) -> Iterable[Any]:
    """The items to feed: the sequence itself if there is one, else an iterator.

    For a node that computes items with equal keys once, all but the first of them are replaced by twins.
    """
    at_hand = items.at_hand()
    given: Iterable[Any] = _one_by_one(items) if at_hand is None else at_hand
    if at_hand is not None and items.total is not None and items.total != len(at_hand):
        given = part(at_hand, 0, items.total)
    return Marked(given, node.key_of) if node.computes_once else given


def _one_by_one(items: Items) -> Iterator[Any]:
    try:
        while one := items.take(1):
            yield one[0]
    finally:
        items.close()
