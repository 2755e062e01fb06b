"""A fleet's gauges: what waits, runs and is parked, by queue and node. Read from the ledgers in O(batches + slots)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from flowq.batch.executor import UNENDED
from flowq.engine.app import queue_length, queue_list
from flowq.engine.batches import under_care
from flowq.engine.connection import Connections
from flowq.engine.fleet.meter import Labels
from flowq.engine.fleet.presence import workers
from flowq.engine.ids import span

FIELDS = ("state", "queue", "node", "avail", "ok", "fallback", "failed")
READ_BATCHES = 200


@dataclass(slots=True)
class Standing:
    """A fleet's state at one moment, by queue and node.

    Attributes:
        pending: items that need a slot: written, without an outcome, not parked or parked until a time that has come;
            includes running ones, excludes those of paused batches. For autoscalers, which may have stopped the last
            worker. So a batch with anything that is due for a worker (a deadline, an aggregation) counts as one item at
            least, and a queue that no worker consumes as its messages, with the node "" for those that are more than
            its items: a scheduled flow is only a message until a worker takes it.
        running: items in chunks that a worker holds.
        parked: items that wait without a slot: for another try, a batch of their own, an event.
        batches: batches that have not ended, paused ones included, by state.
        lease_age_s: seconds since the oldest beat for a held chunk; above lease_s its holder counts as lost. Computed
            with the lease_s of this process's settings, which must equal the workers'.
        slots, workers: of the live workers, by queue.
    """

    pending: Counter[Labels] = field(default_factory=Counter)
    running: Counter[Labels] = field(default_factory=Counter)
    parked: Counter[Labels] = field(default_factory=Counter)
    batches: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    lease_age_s: dict[str, float] = field(default_factory=dict)
    slots: Counter[str] = field(default_factory=Counter)
    workers: Counter[str] = field(default_factory=Counter)

    def pending_of(self, queue: str | None = None) -> int:
        """The number of pending items of a queue, or of all queues."""
        return sum(n for (name, _), n in self.pending.items() if queue is None or name == queue)


def read_standing(connections: Connections, queue: str | None = None) -> Standing:
    """Read the fleet's current state. *queue*: its messages count, too, beside those of queues with batches."""
    standing = Standing()
    redis, keys = connections.redis, connections.keys
    for worker in workers(redis, keys):
        for queue in worker.queues:
            standing.workers[queue] += 1
            standing.slots[queue] += worker.slots
    names = under_care(redis, keys)
    for at in range(0, len(names), READ_BATCHES):
        _read(connections, names[at : at + READ_BATCHES], standing)
    known = {connections.settings.queue, *(name for name, _, _ in standing.batches)}
    for name in known if queue is None else known | {queue}:
        if not standing.workers[name]:
            messages = queue_length(redis, connections.app, queue_list(connections.app, name))
            waiting = messages - standing.pending_of(name)
            if waiting > 0:
                standing.pending[name, ""] = waiting
    return standing


def _read(connections: Connections, batch_ids: Sequence[str], standing: Standing) -> None:
    redis, keys = connections.redis, connections.keys
    seconds, micros = redis.time()
    now_ms = seconds * 1000 + micros // 1000
    with redis.pipeline(transaction=False) as pipe:
        for batch_id in batch_ids:
            pipe.hmget(keys.meta(batch_id), FIELDS)
            pipe.hlen(keys.of(batch_id, "parked"))
            pipe.hgetall(keys.of(batch_id, "open"))
            pipe.zcount(keys.of(batch_id, "wake"), "-inf", now_ms)
        answers = pipe.execute()
    held: list[tuple[str, str, str]] = []  # batch, queue, chunk
    for at, batch_id in enumerate(batch_ids):
        fields, parked, opened, due = answers[4 * at : 4 * at + 4]
        if fields[0] is None:
            continue
        state, queue, node = (value.decode(errors="replace") if value else "" for value in fields[:3])
        written, *done = (int(value or 0) for value in fields[3:])
        labels = (queue, node)
        if state not in UNENDED:
            standing.pending[labels] += 1  # it is to be aggregated
            continue
        standing.batches[queue, node, state] += 1
        if state == "running":
            parked -= min(parked, due)  # what is due may also be open chunks; a caretaker sees to those within a second
            standing.pending[labels] += max(written - sum(done) - parked, min(due, 1))
        standing.parked[labels] += parked
        for chunk, record in opened.items():
            start, holder = record.split()[:2]
            if holder != b"-":
                held.append((batch_id, queue, chunk.decode()))
                standing.running[labels] += span(chunk.decode())[1] - int(start)
    _ages(connections, held, seconds + micros / 1e6, standing)


def _ages(connections: Connections, held: Sequence[tuple[str, str, str]], now: float, standing: Standing) -> None:
    """Compute the age of the oldest beat per queue: each beat sets a chunk's due time to one lease after it."""
    lease_s = connections.times.lease_ms / 1000
    with connections.redis.pipeline(transaction=False) as pipe:
        for batch_id, _, chunk in held:
            pipe.zscore(connections.keys.of(batch_id, "wake"), chunk)
        due = pipe.execute() if held else []
    for (_, queue, _), at_ms in zip(held, due, strict=True):
        if at_ms is not None:
            age_s = max(0.0, now - (at_ms / 1000 - lease_s))
            standing.lease_age_s[queue] = max(standing.lease_age_s.get(queue, 0.0), age_s)
