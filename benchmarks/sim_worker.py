"""A worker without items: its main process, its slots and its pulse, as actors that send what the real ones send.

The acts are flowq's own ledger, sizes and blobs are flowq's own; kombu's and Celery's commands are those that a trace
of a real worker shows (wire.py), with its messages. An item is a time to wait and a payload to hand back.
"""

from __future__ import annotations

import base64
import json
import random
import time
import uuid
from collections import OrderedDict, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.lines import Actor, Inbox, Line, Loop, Sleep, pack
from flowq.batch.results.done import Done
from flowq.batch.running.sizing import BUDGET_S, floor_size, next_size
from flowq.codec import dumps, loads
from flowq.engine.fleet.presence import WorkerRecord
from flowq.engine.keys import Keys
from flowq.engine.ledger import ACTS, SCHEMA_VERSION, Claimed, Committed, Ledger, Tally, Times, script
from flowq.engine.running.storing import JUDGED
from flowq.engine.stored.pages import CACHED_PAGES

EVENTS = 3  # of a task: received, started, succeeded
EVENT_BYTES, ENVELOPE_BYTES = 480, 300  # as a trace shows them
HEARTBEAT_BYTES = 700
HEARTBEAT_S = 2.0
POLL_S = 1
PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
EVENTS_EVERY_S = 0.05
METER_EVERY_S = 1.0


class Asked(Exception):
    """A ledger's act has come to the point where it asks Redis."""


class Relay:
    """What a ledger takes for its client: first it hears what would be sent, then it is given the answer."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def evalsha(self, *words: Any) -> Any:
        if self.answers:
            return self.answers.pop()
        raise Asked(pack("EVALSHA", *words))


@dataclass(slots=True)
class Plan:
    """What the simulated items are: seconds and payload of each, from *spread* to 2 - *spread* times *item_s*."""

    item_s: float
    payload_bytes: int
    spread: float = 0.8

    def value(self) -> bytes:
        """What each item comes to: nothing that could be compressed."""
        return random.Random(7).randbytes(self.payload_bytes)


@dataclass(slots=True)
class Told:
    """What the actors of one process saw."""

    commits: int = 0
    items: int = 0
    refused: int = 0
    claim_s: list[float] = field(default_factory=list)


class Fleet:
    """What all simulated workers of one process share."""

    def __init__(
        self, loop: Loop, address: Any, prefix: str, queue: str, plan: Plan, load: Callable[[str], Any]
    ) -> None:
        self.loop, self.address, self.plan = loop, address, plan
        self.keys, self.queue = Keys(prefix), f"{prefix}:{queue}"
        for act in ACTS:
            load(script(act))  # a simulated call cannot be made anew with the script's text
        self.relay = Relay()
        self.ledger = Ledger(self.relay, self.keys, Times(lease_ms=9750))
        self.value = plan.value()
        self.told = Told()
        self.window = 0
        self.latest: Message | None = None
        self.unacked_index, self.unacked = f"{prefix}:unacked_index", f"{prefix}:unacked"
        self.heartbeat = pack("PUBLISH", f"{prefix}:/0.celeryev/worker.heartbeat", b"." * HEARTBEAT_BYTES)
        self.poll = pack("BRPOP", *(self.queue + priority for priority in PRIORITIES), POLL_S)

    def act(self, line: Line, name: str, *words: Any, **more: Any) -> Generator[Any, Any, Any]:
        """One act of flowq's ledger over *line*."""
        run = partial(getattr(self.ledger, name), *words, **more)
        try:
            return run()
        except Asked as asked:
            raw: bytes = asked.args[0]
        (answer,) = yield line.ask(raw)
        if isinstance(answer, Exception):
            raise answer
        self.relay.answers.append(answer)
        return run()

    def events(self, n: int) -> bytes:
        """The message of *n* task events."""
        return pack("PUBLISH", f"{self.keys.prefix}:/0.celeryev/task.multi", b"." * (ENVELOPE_BYTES + n * EVENT_BYTES))


class Message:
    """A message of a chunk, made by kombu: which chunk it is for, and the same one for another."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        told = json.loads(raw)
        self.tag: str = told["properties"]["delivery_tag"]
        self.id: str = told["headers"]["id"]
        self.body: str = told["body"]
        self.args, self._kwargs, self._embed = loads(base64.b64decode(self.body))

    def another(self, chunk_id: str) -> bytes:
        """The message that kombu would make for *chunk_id* of the same batch."""
        body = base64.b64encode(dumps(([self.args[0], chunk_id], self._kwargs, self._embed)))
        raw = self.raw.replace(self.body.encode(), body)
        return raw.replace(self.id.encode(), _uuid()).replace(self.tag.encode(), _uuid())


def _uuid() -> bytes:
    return str(uuid.UUID(int=random.getrandbits(128), version=4)).encode()


class Slot:
    """One process of a worker."""

    def __init__(self, fleet: Fleet, worker: str, number: int, done: Inbox) -> None:
        self._fleet, self._done = fleet, done
        self.holder = f"{worker}/{number}"
        self.tasks = Inbox(fleet.loop)
        self.held: tuple[str, str] | None = None
        self._line = Line(fleet.loop, fleet.address)
        self._publish, self._figures = Line(fleet.loop, fleet.address), Line(fleet.loop, fleet.address)
        self._unmetered: list[tuple[int, float]] = []
        self._pages: OrderedDict[int, None] = OrderedDict()

    def live(self) -> Actor:
        """Chunk after chunk, not in step with the others."""
        yield Sleep(random.uniform(0, self._fleet.plan.item_s))
        while True:
            message: Message = yield self.tasks
            yield from self._take(message, *message.args)
            self._done.put(self)

    def _take(self, message: Message, batch_id: str, chunk_id: str) -> Generator[Any, Any, None]:
        """The chunk of a message and, until the time that one should take is over, those that follow from it."""
        claim = yield from self._claim(batch_id, chunk_id)
        until = time.monotonic() + BUDGET_S
        while claim is not None:
            self.held = (claim.id, self.holder)
            claim = yield from self._run(batch_id, claim, message, until)
        self.held = None

    def _claim(self, batch_id: str, chunk_id: str) -> Generator[Any, Any, Claimed | None]:
        told, began = self._fleet.told, time.monotonic()
        claim = yield from self._fleet.act(
            self._line, "claim", batch_id, chunk_id, self.holder, or_other=True, fields=JUDGED
        )
        told.claim_s.append(time.monotonic() - began)
        if isinstance(claim, Claimed):
            return claim
        told.refused += 1
        return None

    def _run(
        self, batch_id: str, claim: Claimed, message: Message, until: float
    ) -> Generator[Any, Any, Claimed | None]:
        """One chunk; answers the one to go on with, if there is one."""
        fleet, plan, n = self._fleet, self._fleet.plan, claim.stop - claim.start
        missing = [first for first in claim.pages if first not in self._pages]
        if missing and not claim.content:
            yield self._line.ask(pack("HMGET", fleet.keys.of(batch_id, "pages"), *missing))
        self._pages.update(dict.fromkeys(missing))
        while len(self._pages) > CACHED_PAGES:
            self._pages.popitem(last=False)
        seconds = n * plan.item_s * random.uniform(plan.spread, 2 - plan.spread)
        started_at = time.time()
        yield Sleep(seconds)
        done = Done(claim.start, [fleet.value] * n, seconds=seconds, worker=self.holder, started_at=started_at)
        blob, size, floor = dumps(done.to_plain()), next_size(n, n, seconds), floor_size(n, seconds)
        reply = yield from fleet.act(
            self._line, "commit", batch_id, claim.id, claim.start, claim.stop, self.holder, blob, Tally(ok=n),
            size=size, floor=floor, go_on=JUDGED if time.monotonic() < until else None,
        )  # fmt: skip
        if not isinstance(reply, Committed):
            fleet.told.refused += 1
            return None
        fleet.told.commits += 1
        fleet.told.items += n
        pushes = [pack("LPUSH", fleet.queue, message.another(one)) for one in reply.ids]
        if pushes:
            yield self._publish.ask(b"".join(pushes), len(pushes))
        self._unmetered.append((n, seconds))
        if len(self._unmetered) == 1:
            fleet.loop.spawn(self._write_figures())
        return reply.following

    def _write_figures(self) -> Actor:
        """The meter's, a second after the first of them."""
        yield Sleep(METER_EVERY_S)
        done, self._unmetered = self._unmetered, []
        yield self._figures.ask(self._meter(len(done), sum(n for n, _ in done), sum(s for _, s in done)), 6)

    def _meter(self, chunks: int, n: int, seconds: float) -> bytes:
        totals = self._fleet.keys.totals
        adds = (("ok", n), ("chunks", chunks), ("items", n))
        sums = (("chunk_s", seconds), ("item_s", seconds))
        return b"".join(
            [
                *(pack("HINCRBY", totals, f"{name}\tflowq\tNoop\t3", by) for name, by in adds),
                *(pack("HINCRBYFLOAT", totals, f"{name}\tflowq\tNoop", round(by, 6)) for name, by in sums),
                pack("EXPIRE", totals, 30 * 86_400),
            ]
        )


class Worker:
    """A worker's main process, with its slots: takes messages, tells events, acknowledges, beats."""

    def __init__(self, fleet: Fleet, name: str, slots: int, batch_id: Callable[[], str | None]) -> None:
        self._fleet, self._name, self._batch_id = fleet, name, batch_id
        self._inbox, self._asks = Inbox(fleet.loop), Inbox(fleet.loop)
        self._slots = [Slot(fleet, name, number, self._inbox) for number in range(slots)]
        self._poll, self._line, self._events = (Line(fleet.loop, fleet.address) for _ in range(3))
        self._pulse = Line(fleet.loop, fleet.address)
        self._untold = 0

    def spawn(self) -> None:
        for actor in (self._main(), self._ask(), self._beat(), *(slot.live() for slot in self._slots)):
            self._fleet.loop.spawn(actor)

    def _ask(self) -> Actor:
        """kombu's BRPOP: answered with a message, or with nothing after a second."""
        while True:
            yield self._asks
            while True:
                (answer,) = yield self._poll.ask(self._fleet.poll)
                if answer:
                    break
            self._fleet.latest = Message(answer[1])
            self._inbox.put(self._fleet.latest)

    def _main(self) -> Actor:
        """One thing after another, as the one thread of a worker's main process."""
        fleet, free, waiting = self._fleet, deque(self._slots), deque[Message]()
        running: dict[int, Message] = {}
        self._asks.put(True)
        asking = True
        while True:
            told = yield self._inbox
            if isinstance(told, Message):
                asking = False
                entry = b'[%b, "", "flowq"]' % told.raw
                keep = [("MULTI",), ("ZADD", fleet.unacked_index, time.time(), told.tag)]
                keep += [("HSET", fleet.unacked, told.tag, entry), ("EXEC",)]  # type: ignore[list-item]
                yield self._line.ask(b"".join(pack(*words) for words in keep), 4)
                waiting.append(told)
                self._happened(EVENTS - 1)
            else:
                message = running.pop(id(told))
                free.append(told)
                gone = (("MULTI",), ("ZREM", fleet.unacked_index, message.tag), ("HDEL", fleet.unacked, message.tag))
                yield self._line.ask(b"".join(pack(*words) for words in (*gone, ("EXEC",))), 4)
                self._happened(1)
            while waiting and free:
                message, slot = waiting.popleft(), free.popleft()
                running[id(slot)] = message
                slot.tasks.put(message)
            if not asking and len(running) + len(waiting) < len(self._slots):
                self._asks.put(True)
                asking = True

    def _happened(self, events: int) -> None:
        """Task events, which wait a moment for others."""
        self._untold += events
        if self._untold == events:
            self._fleet.loop.spawn(self._tell())

    def _tell(self) -> Actor:
        yield Sleep(EVENTS_EVERY_S)
        n, self._untold = self._untold, 0
        yield self._events.ask(self._fleet.events(n))

    def _beat(self) -> Actor:
        """Presence and leases each second, one worker's round for all; a heartbeat for Celery every other second."""
        fleet, beats = self._fleet, 0
        yield Sleep(random.random())
        keys, ttl = fleet.keys, 5000
        record = dumps(_fields(WorkerRecord(self._name, "simulated", 1, len(self._slots), {"flowq": fleet.queue},
                                            ("benchmarks.nodes:Noop",), "0", time.time())))  # fmt: skip
        while True:
            began = time.monotonic()
            held = [slot.held for slot in self._slots if slot.held is not None]
            batch_id = self._batch_id()
            if held and batch_id:
                yield from fleet.act(self._pulse, "beat", batch_id, held)
            now = time.time()
            presence = (
                ("ZADD", keys.workers, now, self._name), ("SET", keys.worker(self._name), record, "PX", ttl),
                ("ZREMRANGEBYSCORE", keys.workers, "-inf", now - 60),
            )  # fmt: skip
            yield self._pulse.ask(b"".join(pack(*words) for words in presence), 3)
            lock = keys.caretaker(SCHEMA_VERSION, 1)
            (mine,) = yield self._pulse.ask(pack("SET", lock, self._name, "NX", "PX", 900))
            if mine:
                yield from self._round()
            yield self._pulse.ask(pack("SMEMBERS", keys.later))
            beats += 1
            if beats % int(HEARTBEAT_S) == 0:
                yield self._pulse.ask(fleet.heartbeat)
            yield Sleep(max(0.0, 1.0 - (time.monotonic() - began)))

    def _round(self) -> Generator[Any, Any, None]:
        """The caretaker's round over the running batches."""
        fleet, keys = self._fleet, self._fleet.keys
        (batch_ids,) = yield self._pulse.ask(pack("ZRANGE", keys.batches, 0, -1))
        (names,) = yield self._pulse.ask(pack("ZRANGE", keys.workers, 0, -1))
        yield self._pulse.ask(pack("MGET", *(keys.worker(name.decode()) for name in names)))
        for batch_id in (one.decode() for one in batch_ids):
            (lying,) = yield self._pulse.ask(pack("LLEN", fleet.queue))
            woken = yield from fleet.act(self._pulse, "wake", batch_id, window=fleet.window, idle=not lying)
            pushes = [
                pack("LPUSH", fleet.queue, fleet.latest.another(one))
                for one in woken.ids
                if one != "agg" and fleet.latest is not None
            ]
            if pushes:
                yield self._pulse.ask(b"".join(pushes), len(pushes))


def _fields(record: WorkerRecord) -> dict[str, Any]:
    return {name: getattr(record, name) for name in WorkerRecord.__slots__}
