"""Reading a batch's state: its counters in O(1), the holders of its chunks, its outcomes in item order. Never waits."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from flowq.batch.executor import UNENDED
from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.policies.reasons import CANCELLED, ORPHANED, late, stopped
from flowq.batch.results.done import Done
from flowq.codec import loads
from flowq.core.walks.runs import RunStatus
from flowq.engine.connection import Connections
from flowq.engine.ids import generation, record, span
from flowq.engine.known_sizes import Sizes
from flowq.engine.patience import when_there
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.errors import BatchLost

FIRST_BLOBS, MOST_BLOBS = 8, 64
READ_BYTES = 8 * 1024 * 1024
"""Blobs are read so many at a time, and fewer, but one, where that would be more bytes."""
COUNTERS = (
    "state", "gen", "cur", "avail", "sealed", "ok", "fallback", "failed", "retried", "crashes", "losses",
    "created_ms", "closed_ms", "confirmed", "reason", "idle_ms", "cut", "size", "floor",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """A batch's counters at one moment.

    Attributes:
        avail: items written so far; all of them once it is ``sealed``.
        cut: it was closed before all its items were written.
        reason: why it was cancelled other than by a user: "deadline", "orphan", or "".
        seconds: how long it has run, without the time between a close and a redrive.
        sizes: the sizes of its chunks.
    """

    state: str
    gen: int
    avail: int
    sealed: bool
    ok: int
    fallback: int
    failed: int
    retried: int
    crashes: int
    losses: int
    open_chunks: int
    parked: int
    seconds: float
    confirmed: int
    created_at: float
    reason: str
    cut: bool
    sizes: Sizes

    @property
    def closed(self) -> bool:
        return self.state not in UNENDED

    @property
    def done(self) -> int:
        return self.ok + self.fallback + self.failed


def status_of(state: State) -> RunStatus:
    """The status of a run, from the counters of its batch of one item."""
    if state.closed:
        # A redriven batch ends as succeeded whatever fails in it; a run does not.
        return "failed" if state.failed else cast(RunStatus, state.state)
    if state.state == "running" and not state.open_chunks and state.parked:
        return "parked"
    return cast(RunStatus, state.state)


def read_state(connections: Connections, batch_id: str) -> State:
    """The counters of a batch; raises BatchLost if Redis does not hold it."""
    with connections.redis.pipeline(transaction=False) as pipe:
        _ask_state(pipe, connections, batch_id)
        return _state(batch_id, *pipe.execute())


def read_states(connections: Connections, batch_ids: Sequence[str]) -> dict[str, State]:
    """The counters of batches, read in one round trip, without those that Redis does not hold."""
    with connections.redis.pipeline(transaction=False) as pipe:
        for batch_id in batch_ids:
            _ask_state(pipe, connections, batch_id)
        answers = pipe.execute()
    found = {}
    for place, batch_id in enumerate(batch_ids):
        with suppress(BatchLost):
            found[batch_id] = _state(batch_id, *answers[ASKED * place : ASKED * (place + 1)])
    return found


def read_state_and_fields(
    connections: Connections, batch_id: str, wanted: Sequence[str] = ()
) -> tuple[State, list[str], list[bytes | None]]:
    """The counters of a batch, the result of ``out_fields``, and the blobs under the fields *wanted*, read in one round
    trip; raises BatchLost.
    """
    out = connections.keys.of(batch_id, "out")
    with connections.redis.pipeline(transaction=False) as pipe:
        _ask_state(pipe, connections, batch_id)
        pipe.hkeys(out)
        if wanted:
            pipe.hmget(out, wanted)
        values, open_chunks, parked, names, *blobs = pipe.execute()
    return _state(batch_id, values, open_chunks, parked), _in_place(names), blobs[0] if wanted else []


ASKED = 3  # commands of `_ask_state`


def _ask_state(pipe: Any, connections: Connections, batch_id: str) -> None:
    pipe.hmget(connections.keys.meta(batch_id), COUNTERS)
    pipe.hlen(connections.keys.of(batch_id, "open"))
    pipe.hlen(connections.keys.of(batch_id, "parked"))


def _state(batch_id: str, values: list[Any], open_chunks: int, parked: int) -> State:
    if values[0] is None:
        raise BatchLost(batch_id)
    v = dict(zip(COUNTERS, values, strict=True))
    closed = v["state"] not in UNENDED_IN_REDIS
    ended_s = int(v["closed_ms"]) / 1000 if closed and v["closed_ms"] else time.time()
    return State(
        v["state"].decode(), int(v["gen"]), int(v["avail"]), v["sealed"] == b"1", int(v["ok"]), int(v["fallback"]),
        int(v["failed"]), int(v["retried"]), int(v["crashes"]), int(v["losses"]),
        # A close leaves the records it cut off in place for a redrive; they no longer count as open or parked.
        0 if closed else open_chunks, 0 if closed else parked,
        max(0.0, ended_s - (int(v["created_ms"]) + int(v["idle_ms"] or 0)) / 1000), int(v["confirmed"]),
        int(v["created_ms"]) / 1000, (v["reason"] or b"").decode(), v["cut"] == b"1",
        Sizes(int(v["size"] or 1), int(v["floor"] or 1)),
    )  # fmt: skip


def read_holders(connections: Connections, batch_id: str) -> dict[str, str]:
    """Who holds which open chunk: chunk id → holder; nobody once the batch is closed. BatchLost if it is gone."""
    with connections.redis.pipeline(transaction=False) as pipe:
        pipe.hget(connections.keys.meta(batch_id), "state")
        pipe.hgetall(connections.keys.of(batch_id, "open"))
        state, records = pipe.execute()
    if state is None:
        raise BatchLost(batch_id)
    if state not in UNENDED_IN_REDIS:
        return {}
    holders = {chunk_id.decode(): record.split()[1].decode() for chunk_id, record in records.items()}
    return {chunk_id: holder for chunk_id, holder in holders.items() if holder != "-"}


def out_fields(connections: Connections, batch_id: str, part: str = "out") -> list[str]:
    """The fields of ``out`` (or ``part``), later outcomes of an item after earlier ones: by generation, then record."""
    return _in_place(connections.redis.hkeys(connections.keys.of(batch_id, part)))


def _in_place(names: Iterable[bytes]) -> list[str]:
    fields = [name.decode() for name in names]
    return sorted(fields, key=lambda field: (generation(field), record(field), span(field)))


def read_dones(connections: Connections, batch_id: str) -> Iterator[Done]:
    """Every commit of a batch; later ones replace earlier ones of the same items. Holds a few blobs at a time."""
    return read_fields(connections, batch_id, out_fields(connections, batch_id))


def read_fields(connections: Connections, batch_id: str, fields: Sequence[str]) -> Iterator[Done]:
    """The commits under some fields of ``out``; raises BatchLost if one does not exist."""
    for blob in read_blobs(connections, batch_id, fields):
        if blob is None:
            raise BatchLost(batch_id)
        yield done_of(blob)


def read_some(connections: Connections, batch_id: str, fields: Sequence[str]) -> Iterator[Done]:
    """The commits under some fields of ``out``, without those that a reader has freed.

    Raises:
        BatchLost: the batch's retention has ended.
    """
    for blob in read_blobs(connections, batch_id, fields):
        if blob is not None:
            yield done_of(blob)
        elif not was_freed(connections, batch_id):
            raise BatchLost(batch_id)


def done_of(blob: bytes) -> Done:
    """Decode the blob of one commit."""
    return Done.from_plain(loads(blob))


def read_blobs(
    connections: Connections, batch_id: str, fields: Sequence[str], part: str = "out", *, patient: bool = False
) -> Iterator[bytes | None]:
    """The blobs under some fields of ``out`` (or ``part``), fetched a few at a time; None for a missing one.

    Args:
        patient: wait for a Redis that does not answer, see ``when_there``.
    """
    key = connections.keys.of(batch_id, part)
    at, n = 0, FIRST_BLOBS

    def fetch() -> list[bytes | None]:
        blobs: list[bytes | None] = connections.redis.hmget(key, fields[at : at + n])
        return blobs

    while at < len(fields):
        blobs = when_there(connections, fetch) if patient else fetch()
        yield from blobs
        at += n
        largest = max(len(blob or b"") for blob in blobs)
        n = max(1, min(MOST_BLOBS, READ_BYTES // max(1, largest)))


def require_kept(connections: Connections, batch_id: str) -> None:
    """Raise BatchLost if Redis does not hold the batch (any more)."""
    if not connections.redis.exists(connections.keys.meta(batch_id)):
        raise BatchLost(batch_id)


def was_freed(connections: Connections, batch_id: str) -> bool:
    """Whether a reader has freed outcomes that it read."""
    freed: bool = connections.redis.hexists(connections.keys.meta(batch_id), "freed")
    return freed


def reason_of(state: State, policy: BatchPolicy) -> str:
    """Why a batch ended before its last item, "" if it did not."""
    if state.state == "failed":
        return stopped(state.failed, policy)
    if state.state != "cancelled" and not state.cut:
        return ""
    return {"deadline": late(policy.deadline or 0.0), "orphan": ORPHANED}.get(state.reason, CANCELLED)
