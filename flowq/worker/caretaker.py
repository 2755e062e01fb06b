"""The caretaker: each second one worker of the fleet asks the running batches what is due, and publishes it."""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable

from flowq.codec import VERSION
from flowq.engine.app import queue_list
from flowq.engine.batches import Header, Headers, under_care
from flowq.engine.care.catalog import Catalog, Sweep
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_aggregate, publish_chunks
from flowq.engine.ending.family import end_plain, follow_parent
from flowq.engine.fleet.presence import Fleet, alive
from flowq.engine.ids import is_batch_id, is_chunk_id
from flowq.engine.ledger import SCHEMA_VERSION
from flowq.engine.redis_client import AWAY_ERRORS
from flowq.engine.running.aggregate import AGGREGATE
from flowq.engine.stored.renewals import Renewals
from flowq.errors import BatchLost
from flowq.worker.refusals import told

log = logging.getLogger("flowq.caretaker")

REMEMBERED = 1000  # batches with logged complaints, chunks that were published
MAX_COPIES = 8
SOONEST_S = 0.1  # least time between two looks, however much is due
SURPLUS = 1000  # messages that a queue may hold beyond one for each chunk that is open
COUNT_EVERY_S = 1.0
COUNT_AT_ONCE = 500
NOBODY = b"-"  # the holder of an open chunk that waits


class Caretaker:
    """One worker's caretaker: makes a round if it gets the round's lock. Resting batches are skipped until due.

    Args:
        connections, headers, name: the worker's own.
        beforehand: called before each batch.
    """

    def __init__(self, connections: Connections, headers: Headers, name: str, beforehand: Callable[[], None]) -> None:
        self._connections, self._headers, self._name = connections, headers, name
        self._beforehand = beforehand
        self._fleet = Fleet(connections.redis, connections.keys)
        self._sweep = Sweep(Catalog(connections.redis, connections.keys))
        self._renewals = Renewals(connections)
        self._due_s: dict[str, float] = {}
        self._told: OrderedDict[str, str] = OrderedDict()
        self._published: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._wanted, self._counted_at = 0, float("-inf")

    def tick(self) -> None:
        """Make one round, unless another worker makes it."""
        redis, keys = self._connections.redis, self._connections.keys
        self._due_s.clear()
        lock_ms = max(1, int(self._connections.settings.pulse_s * 900))
        if not redis.set(keys.caretaker(SCHEMA_VERSION, VERSION), self._name, nx=True, px=lock_ms):
            return
        seconds, micros = redis.time()
        # Including batches that rest until a time before the next round: `tick_due` handles those in time.
        upto_ms = seconds * 1000 + micros // 1000 + int(self._connections.settings.pulse_s * 1000)
        self._round(name.decode(errors="replace") for name in redis.zrangebyscore(keys.batches, "-inf", upto_ms))
        self._sweep.tick()

    def until_due_s(self) -> float | None:
        """Seconds until ``tick_due`` has something to do in a batch of this worker's last round; None: nothing."""
        if not self._due_s:
            return None
        return max(SOONEST_S, min(self._due_s.values()) - time.monotonic())

    def tick_due(self) -> None:
        """Between two rounds of this worker: care for the batches in which something is due."""
        now_s = time.monotonic()
        self._round([batch_id for batch_id, due_s in self._due_s.items() if due_s <= now_s])

    def _round(self, batch_ids: Iterable[str]) -> None:
        redis, keys = self._connections.redis, self._connections.keys
        for batch_id in batch_ids:
            self._due_s.pop(batch_id, None)
            self._beforehand()
            try:
                self._care(batch_id)
            except BatchLost:
                redis.zrem(keys.batches, batch_id)
            except AWAY_ERRORS:
                raise
            except Exception as error:  # an altered batch, or one of another release, must not affect the others
                self._complain(batch_id, f"{type(error).__name__}: {error}")

    def _complain(self, batch_id: str, reason: str) -> None:
        """Log what is wrong with a batch, once instead of in every round."""
        if self._told.get(batch_id) == reason:
            return
        self._told[batch_id] = reason
        if len(self._told) > REMEMBERED:
            self._told.popitem(last=False)
        log.error("batch %s cannot be cared for: %s", told(batch_id), reason, extra={"batch": batch_id})

    def _care(self, batch_id: str) -> None:
        if not is_batch_id(batch_id):
            raise BatchLost(batch_id)
        header = self._headers.get(batch_id)
        follow_parent(self._connections, header)
        self._renewals.look_after(header)
        ledger = self._connections.ledger
        woken = ledger.wake(batch_id, window=self._fleet.window(header.queue), idle=self._is_idle(header))
        if woken.state == "lost":
            raise BatchLost(batch_id)
        if woken.ids:
            self._connections.crash_points.reached("woken", batch_id)
        ids = [one for one in woken.ids if is_chunk_id(one)]
        crowded = bool(woken.ids) and self._is_crowded(header)
        repeated = self._sent_before(batch_id, ids)
        first = [one for one in ids if one not in repeated]
        if crowded:
            repeated = []
        copies = self._copies(header, [*first, *repeated])
        publish_chunks(self._connections, header, first)
        publish_chunks(self._connections, header, [*repeated, *copies], again=True)
        if woken.due_in_ms is not None and len(self._due_s) < REMEMBERED:
            self._due_s[batch_id] = time.monotonic() + woken.due_in_ms / 1000
        if AGGREGATE in woken.ids and not header.reduces and not header.sink:
            end_plain(self._connections, header)
        elif AGGREGATE in woken.ids and not crowded:
            # Published before: a worker that cannot run it may take it each time, as the one that has waited longest.
            again = (header.id, AGGREGATE) in self._published
            self._remember(header.id, AGGREGATE)
            for _ in range(self._reached_by() if again else 1):
                publish_aggregate(self._connections, header, self._fleet.slots(header.queue))

    def _is_idle(self, header: Header) -> bool:
        """Whether the batch's queue holds no message."""
        lies_in = queue_list(self._connections.app, header.queue, header.priority)
        return not self._connections.redis.llen(lies_in)

    def _is_crowded(self, header: Header) -> bool:
        """Whether the batch's queue holds so many messages that none is sent again: they wait, they are not lost.

        A chunk's message counts as lost after a time. A queue may be longer than that, and one that nobody consumes
        would grow without end. Once its messages are fewer, because they were consumed or are lost, they are sent.
        """
        lies_in = queue_list(self._connections.app, header.queue, header.priority)
        surplus = int(self._connections.redis.llen(lies_in)) - SURPLUS
        return surplus > 0 and surplus >= self._wanted_messages()

    def _wanted_messages(self) -> int:
        """How many messages all batches have a use for: one for each open chunk, or for an aggregation."""
        redis, keys = self._connections.redis, self._connections.keys
        if time.monotonic() - self._counted_at > COUNT_EVERY_S:
            names = under_care(redis, keys)
            self._wanted = 0
            for at in range(0, len(names), COUNT_AT_ONCE):
                with redis.pipeline(transaction=False) as pipe:
                    for name in names[at : at + COUNT_AT_ONCE]:
                        pipe.hlen(keys.of(name, "open"))
                    self._wanted += sum(max(1, chunks) for chunks in pipe.execute())
            self._counted_at = time.monotonic()
        return self._wanted

    def _sent_before(self, batch_id: str, ids: list[str]) -> list[str]:
        """Those of the chunks that still wait after a message; others were just opened, or lost their holder."""
        if not ids:
            return []
        first_ms = self._connections.times.wait_ms
        records = self._connections.redis.hmget(self._connections.keys.of(batch_id, "open"), ids)
        fields = [record.split() if record is not None else None for record in records]
        return [
            one
            for one, record in zip(ids, fields, strict=True)
            if record is not None and record[1] == NOBODY and int(record[5]) != first_ms
        ]

    def _copies(self, header: Header, ids: list[str]) -> list[str]:
        """More messages for chunks that were published before and are still unclaimed, although the queue is empty.

        A worker that cannot run them took them. Redis gives a message to the worker that has waited longest, possibly
        the same each time; a message per worker reaches all of them.
        """
        again = [one for one in ids if (header.id, one) in self._published]
        for one in ids:
            self._remember(header.id, one)
        if not again or not self._is_idle(header):
            return []
        return again * (self._reached_by() - 1)

    def _remember(self, batch_id: str, chunk_id: str) -> None:
        """Record that it was published."""
        self._published[batch_id, chunk_id] = None
        self._published.move_to_end((batch_id, chunk_id))
        while len(self._published) > REMEMBERED:
            self._published.popitem(last=False)

    def _reached_by(self) -> int:
        """How many messages reach all idle workers."""
        return max(1, min(MAX_COPIES, alive(self._connections.redis, self._connections.keys)))
