"""The header of a batch: what every process needs to know of it, written once at its birth into the ledger's meta."""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel

from flowq.batch.policies.policy import BatchPolicy
from flowq.codec import dumps, loads
from flowq.engine.ids import is_batch_id
from flowq.engine.keys import Keys
from flowq.engine.ledger import SCHEMA_VERSION
from flowq.engine.redis_client import RedisClient
from flowq.errors import BatchLost, CannotTravel, DecodeError
from flowq.registry import registered

CACHED_BATCHES = 64
HEADER_FIELDS = ("v", "label", "node", "queue", "priority", "birth", "header")


@dataclass(frozen=True, slots=True)
class Header:
    """The constant properties of a batch.

    Attributes:
        id: unique; begins with the label, for readability.
        label: the name that users give the batch.
        node: display name of the node; static, so that Flower's metrics may use it.
        queue: where its chunks go; priority: 0–9 or None.
        spec: the node (or BatchFlow) as data (core.spec), encoded, so that a process that runs no items need not know
            its classes.
        reduces: whether waiters want the aggregator's result (BatchFlow).
        manifest: snapshot of the shared store for BatchFlow items: {key: content hash}; scope: owner of its blobs.
        schema: class name of the store's schema, "" for none.
        run_id: the run this batch belongs to ("" for a batch outside of runs).
        parent: id of the batch one of whose items waits for this one ("" for none): it is told of this batch's close,
            and when it ends this batch ends.
        keeps: whether this is a durable run, which keeps every step.
        sink: address of the sink for its results, "" for Redis.
        root: id of the batch whose ``concurrency`` applies to itself and all batches below it ("" for none).
        birth: with a sink, eight random hex digits in the names of its parts: other batches of this id, from before its
            retention was over or of another Redis, have theirs in the same folder.
    """

    id: str
    label: str
    node: str
    queue: str
    priority: int | None
    spec: bytes
    reduces: bool = False
    manifest: dict[str, str] | None = None
    scope: str = ""
    schema: str = ""
    run_id: str = ""
    parent: str = ""
    keeps: bool = False
    sink: str = ""
    root: str = ""
    birth: str = ""

    @property
    def has_store(self) -> bool:
        """Whether blobs belong to it: of its store, or of what its items have changed. A batch of plain items has none,
        although it shares the scope of the run or item that began it.
        """
        return self.manifest is not None or self.reduces or self.keeps

    @property
    def blob_scope(self) -> str:
        """The owner of its blobs: the batch itself where it was given no store."""
        return self.scope or self.id

    def fields(self) -> dict[str, Any]:
        """The header as fields of the meta hash."""
        body = (
            self.spec, self.reduces, self.manifest, self.scope, self.schema, self.run_id, self.parent, self.keeps,
            self.sink, self.root,
        )  # fmt: skip
        return {
            "id": self.id,
            "v": SCHEMA_VERSION,
            "label": self.label,
            "node": self.node,
            "queue": self.queue,
            "priority": "" if self.priority is None else self.priority,
            "birth": self.birth,
            "header": dumps(body),
        }


# The part of a batch's policy that a later producer needs; workers have the node and with it the whole policy.
REMEMBERED = frozenset({"on_error", "max_failures", "deadline", "retention_s"})


def remembered(policy: BatchPolicy) -> bytes:
    """Encode the part of *policy* that is stored in the batch's meta hash."""
    return dumps(policy.model_dump(include=set(REMEMBERED)))


def read_policy(redis: RedisClient, keys: Keys, batch_id: str) -> tuple[BatchPolicy, int | None]:
    """The stored part of a batch's policy, and its number of items if that was known at its birth.

    Raises:
        DecodeError: the stored policy was altered.
    """
    blob, total = redis.hmget(keys.meta(batch_id), ["policy", "total"])
    if blob is None or total is None:
        return BatchPolicy(), None
    try:
        return BatchPolicy(**loads(blob)), None if int(total) < 0 else int(total)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"the policy of batch {batch_id} cannot be read: {error}") from error


def under_care(redis: RedisClient, keys: Keys) -> list[str]:
    """The ids of all batches that a caretaker has to check: of what has not ended, or not been confirmed."""
    return [name.decode(errors="replace") for name in redis.zrange(keys.batches, 0, -1)]


def read_header(redis: RedisClient, keys: Keys, batch_id: str) -> Header:
    """The header of a batch, from Redis; raises what ``parse_header`` raises."""
    return parse_header(batch_id, redis.hmget(keys.meta(batch_id), HEADER_FIELDS))


def parse_header(batch_id: str, fields: Sequence[bytes | None]) -> Header:
    """The header in the values of the ``HEADER_FIELDS`` of a batch's meta hash.

    Raises:
        BatchLost: the batch does not exist.
        DecodeError: it was written by a flowq of another schema version, or altered.
    """
    version, *texts, body = fields
    if version is None or body is None:
        raise BatchLost(batch_id)
    if version != str(SCHEMA_VERSION).encode():
        raise DecodeError(
            f"batch {batch_id} has ledger schema {version.decode(errors='replace')[:20]}, this flowq reads "
            f"{SCHEMA_VERSION}: run workers and producers of one flowq version"
        )
    try:
        label, node, queue, priority, birth = ((text or b"").decode() for text in texts)
        rank = int(priority) if priority else None
        spec, reduces, manifest, scope, schema, run_id, parent, keeps, sink, root = loads(body)
    except (ValueError, TypeError) as error:
        raise DecodeError(f"the header of batch {batch_id} cannot be read: {error}") from error
    header = Header(
        batch_id, label, node, queue, rank, spec, reduces, manifest, scope, schema, run_id, parent, keeps, sink, root,
        birth,
    )  # fmt: skip
    if not _is_whole(header):
        raise DecodeError(f"the header of batch {batch_id} was altered: its parts are of other types")
    return header


def _is_whole(header: Header) -> bool:
    manifest = header.manifest
    return (
        type(header.spec) is bytes
        and type(header.reduces) is bool
        and type(header.keeps) is bool
        and all(type(text) is str for text in (header.scope, header.schema, header.run_id, header.sink))
        and all(one == "" or is_batch_id(one) for one in (header.parent, header.root))
        and re.fullmatch(r"[0-9a-f]*", header.birth) is not None
        and (manifest is None or (type(manifest) is dict and all(type(one) is str for one in manifest.values())))
    )


class Headers:
    """The headers that this process read last, at most *most* of them.

    Args:
        redis, keys: where to read them.
        specs: keep the specs, which may be megabytes; False for a process that runs no items.
    """

    def __init__(self, redis: RedisClient, keys: Keys, most: int = CACHED_BATCHES, *, specs: bool = True) -> None:
        self._redis, self._keys, self._most, self._specs = redis, keys, most, specs
        self._known: OrderedDict[str, Header] = OrderedDict()

    def get(self, batch_id: str) -> Header:
        header = self._known.get(batch_id)
        if header is None:
            header = self._keep(read_header(self._redis, self._keys, batch_id))
        self._known.move_to_end(batch_id)
        return header

    def wanted(self, batch_id: str) -> Sequence[str]:
        """The fields of ``meta`` to ask for with a claim: none if the header is known."""
        return () if batch_id in self._known else HEADER_FIELDS

    def forget(self, batch_id: str) -> None:
        """Drop the header of a batch, because it may have changed."""
        self._known.pop(batch_id, None)

    def learn(self, batch_id: str, fields: Sequence[bytes | None]) -> None:
        """Store the header from the fields that came with a claim; raises what ``parse_header`` raises."""
        if fields:
            self._keep(parse_header(batch_id, fields))

    def _keep(self, header: Header) -> Header:
        header = self._known[header.id] = header if self._specs else replace(header, spec=b"")
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return header


def model_of(name: str) -> type[BaseModel]:
    """The registered store schema of this name; raises CannotTravel if this process does not know it."""
    try:
        schema = registered(name)
    except KeyError:
        raise CannotTravel(f"the store's schema {name}", "this worker has not imported and registered it") from None
    if not issubclass(schema, BaseModel):
        raise CannotTravel(f"the store's schema {name}", "the class of that name is no pydantic model")
    return schema
