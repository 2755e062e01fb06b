"""Reading a batch back: its counters in O(1), its outcomes in item order, and waiting for its close."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from flowq.batch.chunk import Done
from flowq.codec import loads
from flowq.engine.connection import Connections
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import BatchLost

READ_BLOBS = 64
RECHECK_S = 5.0
COUNTERS = (
    "state", "gen", "cur", "avail", "sealed", "ok", "fallback", "failed", "retried", "crashes", "losses",
    "created_ms", "closed_ms", "confirmed",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class State:
    """A batch's counters, as of one moment. ``total`` is known once the producer has written its last item."""

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

    @property
    def closed(self) -> bool:
        return self.state not in ("running", "paused")

    @property
    def done(self) -> int:
        return self.ok + self.fallback + self.failed


def read_state(connections: Connections, batch_id: str) -> State:
    """The counters of a batch; raises BatchLost if Redis does not hold it."""
    keys = connections.keys
    with connections.redis.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.meta(batch_id), COUNTERS)
        pipe.hlen(keys.of(batch_id, "open"))
        pipe.hlen(keys.of(batch_id, "parked"))
        values, open_chunks, parked = pipe.execute()
    if values[0] is None:
        raise BatchLost(batch_id)
    v = dict(zip(COUNTERS, values, strict=True))
    closed = v["state"] not in (b"running", b"paused")
    ended_s = int(v["closed_ms"]) / 1000 if closed and v["closed_ms"] else time.time()
    return State(
        v["state"].decode(), int(v["gen"]), int(v["avail"]), v["sealed"] == b"1", int(v["ok"]), int(v["fallback"]),
        int(v["failed"]), int(v["retried"]), int(v["crashes"]), int(v["losses"]), open_chunks, parked,
        max(0.0, ended_s - int(v["created_ms"]) / 1000), int(v["confirmed"]),
    )  # fmt: skip


def read_holders(connections: Connections, batch_id: str) -> dict[str, str]:
    """Who holds which open chunk: chunk id → holder."""
    records = connections.redis.hgetall(connections.keys.of(batch_id, "open"))
    holders = {chunk_id.decode(): record.split()[1].decode() for chunk_id, record in records.items()}
    return {chunk_id: holder for chunk_id, holder in holders.items() if holder != "-"}


def out_fields(connections: Connections, batch_id: str, part: str = "out") -> list[str]:
    """The fields of ``out`` (or ``part``) in the order they stand over one another: generation, then place."""
    names = [name.decode() for name in connections.redis.hkeys(connections.keys.of(batch_id, part))]
    return sorted(names, key=_place)


def _place(field: str) -> tuple[int, int, int]:
    gen, _, rest = field.partition(":")
    span, _, k = rest.partition("~")
    return int(gen), int(k or 0), int(span.partition("-")[0])


def read_dones(connections: Connections, batch_id: str) -> Iterator[Done]:
    """Every commit of a batch, later ones standing over earlier ones. Memory: a few blobs at a time."""
    fields = out_fields(connections, batch_id)
    for at in range(0, len(fields), READ_BLOBS):
        some = fields[at : at + READ_BLOBS]
        for blob in connections.redis.hmget(connections.keys.of(batch_id, "out"), some):
            if blob is None:
                raise BatchLost(batch_id)
            yield Done.from_plain(loads(blob))


class Closings:
    """Waiting for batches to close. Subscriptions are kept for the next wait, one connection a waiting thread."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._idle: list[Any] = []
        self._pid = os.getpid()

    def wait(self, batch_id: str, timeout_s: float | None = None, *, finished: bool = False) -> bool:
        """Block until the batch is closed (*finished*: until its aggregation is confirmed); False on timeout.

        Told by PUBLISH; the state is read after subscribing and again every 5 s, so that no message is needed.
        """
        keys = self._connections.keys
        channel = keys.finished_channel(batch_id) if finished else keys.closed_channel(batch_id)
        until = None if timeout_s is None else time.monotonic() + timeout_s
        pubsub = None
        while not self._over(batch_id, finished):
            left = None if until is None else until - time.monotonic()
            if left is not None and left <= 0:
                self._release(pubsub, channel)
                return False
            if pubsub is None:
                pubsub = self._subscribe(channel)
                continue  # the batch may have closed before the subscription stood
            pubsub = self._listen(pubsub, channel, RECHECK_S if left is None else min(RECHECK_S, left))
        self._release(pubsub, channel)
        return True

    def _over(self, batch_id: str, finished: bool) -> bool:
        try:
            names = ["state", "gen", "confirmed"]
            state, gen, confirmed = self._connections.redis.hmget(self._connections.keys.meta(batch_id), names)
        except REDIS_ERRORS:
            return False
        if state is None:
            raise BatchLost(batch_id)
        if state in (b"running", b"paused"):
            return False
        return not finished or int(confirmed) >= int(gen)

    def _subscribe(self, channel: str) -> Any:
        pubsub = None
        if self._pid != os.getpid():
            self._idle, self._pid = [], os.getpid()  # another process' connections
        try:
            pubsub = self._idle.pop() if self._idle else self._connections.redis.pubsub(ignore_subscribe_messages=True)
            pubsub.subscribe(channel)
        except REDIS_ERRORS:
            time.sleep(0.2)  # Redis is away: the state is asked again
            return None
        return pubsub

    def _listen(self, pubsub: Any, channel: str, timeout_s: float) -> Any:
        """Wait for a message on *channel*; None when the subscription broke."""
        until = time.monotonic() + timeout_s
        try:
            while (left := until - time.monotonic()) > 0:
                message = pubsub.get_message(timeout=left)
                if message is not None and message["channel"] == channel.encode():
                    break
        except REDIS_ERRORS:
            pubsub.close()
            return None
        return pubsub

    def _release(self, pubsub: Any, channel: str) -> None:
        if pubsub is None:
            return
        try:
            pubsub.unsubscribe(channel)
            self._idle.append(pubsub)
        except REDIS_ERRORS:
            pubsub.close()
