"""The ledger under random schedules: whatever is lost, doubled, killed, paused or forgotten, P1 holds.

A world of producer, queue, holders and caretaker acts on the real Lua scripts in a real Redis, on a clock of its own.
A seed is a schedule; the checks are independent of the ledger's own counters. FLOWQ_MODEL_SEEDS sets how many; whoever
changes an act runs 2,000, as `make chaos-short` does.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from dataclasses import dataclass, field

import pytest
from redis import Redis

from flowq.engine.ids import span
from flowq.engine.keys import Keys
from flowq.engine.ledger import (
    Appended,
    Claimed,
    Committed,
    Elsewhere,
    Ledger,
    Page,
    Parked,
    Stale,
    Tally,
    Times,
)
from flowq.engine.reading.commit_line import span_of_field
from tests.births import birth

SEEDS = int(os.environ.get("FLOWQ_MODEL_SEEDS", "200"))
SHARDS = 20
MAX_STEPS = 4000
ROUND_MS = 1000  # between two rounds of a caretaker
BATCH = "b-model"
RUNS = ("running", "paused")
DELIVERED_MS = 50
SMALL_PAGE_BYTES, BROUGHT_BYTES, BROUGHT_PAGES = 4096, 65536, 16


def page_at(first: int) -> bytes:
    """What is written as the page of the items from *first* on; some are large."""
    return f"page {first}".encode() * (1000 if first % 3 == 2 else 1)


def facts_of(record: str) -> list[str]:
    """What a record waits for, if for any: the first of these that is told."""
    facts = [f"batch:in-{record}:0", f"fact-1-of-{record}", f"fact-2-of-{record}"]
    return random.Random(record).choice([facts[:1], facts[1:2], facts[:2], facts])


def inner_of(fact: bytes) -> str:
    """The id of the batch that is waited for, "" if it is something else."""
    name = fact.decode()
    return name.removeprefix("batch:").removesuffix(":0") if name.startswith("batch:") else ""


@dataclass
class Holding:
    """What one holder believes it is doing."""

    holder: str
    id: str
    start: int
    stop: int
    attempts: int
    gen: int
    reached: bytes = b""
    split: list[Holding] = field(default_factory=list)


class World:
    """One batch, its producer, queue, holders and caretaker; every choice comes from the seed."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.rng = random.Random(seed)
        self.redis = redis
        self.now_ms = 1_000_000
        self.keys = Keys(f"model{seed}")
        times = Times(lease_ms=1000, wait_ms=1000, aggregate_ms=1000, feed_ms=3000)
        self.ledger = Ledger(redis, self.keys, times, clock_ms=lambda: self.now_ms)
        rng = self.rng
        self.n = rng.choice([0, 1, 2, 5, 17, 40])
        self.page = rng.choice([1, 7, 50])
        self.window = rng.choice([1, 2, 4, 8])
        self.in_flight = rng.choice([1, 1, 3])
        self.concurrency = rng.choice([0, 0, 0, 1, 5])
        self.budget = rng.choice([-1, -1, -1, 0, 3])
        self.fail_share = rng.choice([0, 0, 0.05, 0.3])
        self.park_share = rng.choice([0, 0.05, 0.3])
        self.chaos = rng.choice([0.0, 0.1, 0.4])
        self.forgets = rng.random() < 0.25
        self.keeps = rng.choice([0, 0, 1])
        self.stream = int(rng.random() < 0.6)
        self.keyed = int(rng.random() < 0.5)
        self.plain = int(rng.random() < 0.5)
        self.frees = rng.random() < 0.5
        self.cut: dict[int, int] = {}
        self.deadline_ms = rng.choice([0, 0, 0, 0, 2000, 20_000])
        self.floor = rng.choice([1, 1, 3])
        self.fed = 0
        self.sealed = False
        self.queue: list[str] = []
        self.holding: list[Holding] = []
        self.closes: list[str] = []
        self.gen = 0
        self.cancelled = False
        self.redriven: list[set[int]] = []
        self.saved: tuple[dict[bytes, bytes], int, dict[bytes, bytes]] | None = None
        self.read: dict[bytes, bytes] = {}  # outcomes that somebody has read and freed
        self.counter = 0
        self.redriven_ms = 0
        self.untold: list[str] = []
        self.told: list[str] = []
        self.split_off: set[str] = set()
        self.waited: tuple[bytes | None, list[str]] = (None, [])  # the state, and the batches that were waited for

    # -- acts ----------------------------------------------------------------------------------------------------

    def meta(self, name: str) -> str:
        value = self.redis.hget(self.keys.meta(BATCH), name)
        return value.decode() if value is not None else ""

    def publish(self, ids: list[str]) -> None:
        for chunk_id in ids:
            if self.rng.random() < self.chaos * 0.3:
                continue  # the message is lost
            self.queue.append(chunk_id)
            if self.rng.random() < self.chaos * 0.3:
                self.queue.append(chunk_id)

    def ended(self, state: str) -> None:
        if state:
            self.closes.append(f"{state} {self.gen}")

    def feed(self) -> None:
        if self.sealed:
            return
        at = self.fed
        firsts = range(at, self.n, self.page)[: self.rng.choice([1, 1, 3])]
        pages = [Page(min(self.page, self.n - first), page_at(first)) for first in firsts]
        upto = at + sum(page.n for page in pages)
        sealing = upto == self.n and self.rng.random() < 0.7
        create = birth(
            BATCH,
            budget=self.budget,
            concurrency=self.concurrency,
            in_flight=self.in_flight,
            floor=self.floor,
            keeps=self.keeps,
            stream=self.stream,
            keyed=self.keyed,
            plain=self.plain,
            deadline_ms=self.deadline_ms,
        )
        for _ in range(2 if self.rng.random() < self.chaos else 1):
            reply = self.ledger.append(
                BATCH, at, pages, sealed=sealing, window=self.window, create=create if at == 0 else None
            )
            if isinstance(reply, Appended):
                self.publish(reply.ids)
                self.ended(reply.ended)
                self.fed, self.sealed = reply.avail, sealing
                assert reply.avail == upto
                self.cut.update((first, page.n) for first, page in zip(firsts, pages, strict=True))
            elif isinstance(reply, Elsewhere):
                self.fed = reply.avail
                self.sealed = reply.sealed or bool(reply.closed)
                break

    def deliver(self) -> None:
        if not self.queue:
            return
        chunk_id = self.queue.pop(self.rng.randrange(len(self.queue)))
        self.claim(chunk_id)

    def claim(self, chunk_id: str, *, or_other: bool | None = None) -> None:
        self.counter += 1
        holder = f"h{self.counter}"
        fit, were_open = self.waiting(), self.redis.hkeys(self.keys.of(BATCH, "open"))
        left = self.left_waiting() if chunk_id == "" else None
        or_other = self.rng.random() < 0.5 if or_other is None else or_other
        spare = int(self.meta("spare") or 0)
        claimed = self.ledger.claim(BATCH, chunk_id, holder, most=5, or_other=or_other, fields=["avail"])
        if isinstance(claimed, Claimed):
            new = claimed.id.encode() not in were_open
            assert new or claimed.id in (chunk_id, left) or (chunk_id and or_other and claimed.id in fit)
            free = (chunk_id == "" and left is None) or (or_other and (spare or not fit))
            assert not new or free, "what waits goes before what nobody has had"
            self.take(claimed, holder)
        assert int(self.meta("spare") or 0) >= 0

    def waiting(self) -> set[str]:
        """The chunks that were opened for anybody, and are held by nobody."""
        records = {
            one.decode(): record.split() for one, record in self.redis.hgetall(self.keys.of(BATCH, "open")).items()
        }
        return {
            one
            for one, (_, holder, _, _, _, wait_ms, _, solo, _) in records.items()
            if holder == b"-" and wait_ms != b"0" and solo == b"0"
        }

    def left_waiting(self) -> str | None:
        """What a process with free places takes: the first chunk that waits, if its message is not taken."""
        records = {one: self.redis.hget(self.keys.of(BATCH, "open"), one).split() for one in self.waiting()}
        if not records:
            return None
        first = min(records, key=lambda one: int(records[one][0]))
        wait_ms, due_ms = int(records[first][5]), self.redis.zscore(self.keys.of(BATCH, "wake"), first)
        return first if due_ms is not None and self.now_ms - (due_ms - wait_ms) > DELIVERED_MS else None

    def check_weight(self) -> None:
        """What ``concurrency`` counts: of every open chunk the items that are left, as many as run at once."""
        if self.meta("state") in RUNS:
            records = self.redis.hgetall(self.keys.of(BATCH, "open")).items()
            spans = [(int(record.split()[0]), span(one.decode())[1]) for one, record in records]
            assert int(self.meta("weight") or 0) == sum(min(self.in_flight, stop - start) for start, stop in spans)
            self.check_beside(records)

    def check_beside(self, records: Iterable[tuple[bytes, bytes]]) -> None:
        """What needs no slot of its own was split off; a durable run moves on to such a record."""
        beside = {
            one.decode()
            for one, (_, holder, _, _, _, wait_ms, *_) in ((one, record.split()) for one, record in records)
            if holder != b"-" and wait_ms == b"0"
        }
        assert beside <= self.split_off
        assert not (beside and self.keeps)
        assert int(self.meta("beside") or 0) == len(beside)

    def take(self, claimed: Claimed, holder: str) -> None:
        """The holder believes what it was told, and that is right."""
        assert claimed.start < claimed.stop
        assert claimed.fields == [self.meta("avail").encode()]
        self.check_pages(claimed.start, claimed.stop, claimed.pages)
        content = [page_at(first) for first in claimed.pages]
        size_bytes = sum(map(len, content))
        there = [int(first) for first in self.redis.zrange(self.keys.of(BATCH, "index"), 0, -1)]
        after = min((first for first in there if first > claimed.pages[-1]), default=int(self.meta("avail")))
        items = after - claimed.pages[0]  # with the pages between that are dropped by now
        comes_along = len(content) == 1 and size_bytes <= SMALL_PAGE_BYTES
        if len(content) <= BROUGHT_PAGES and size_bytes <= BROUGHT_BYTES:
            comes_along = comes_along or 2 * (claimed.stop - claimed.start) >= items
        assert list(claimed.content) == (content if comes_along else [])
        if self.rng.random() < 0.1:
            assert self.ledger.claim(BATCH, claimed.id, "another") == "busy", "a living lease is left alone"
        gen = int(claimed.id.split(":")[0])
        self.check_reached(claimed, gen)
        self.holding.append(
            Holding(holder, claimed.id, claimed.start, claimed.stop, claimed.attempts, gen, claimed.reached)
        )

    def check_reached(self, claimed: Claimed, gen: int) -> None:
        """An item that was parked goes on from what was saved with that very record, and from nothing else."""
        if "~" in claimed.id:
            assert claimed.reached in (b"", f"state of {claimed.id}".encode())
            kept = self.redis.hget(self.keys.of(BATCH, "saved"), claimed.id)
            assert claimed.reached == (kept or b"")
            facts = facts_of(claimed.id) if claimed.reached else []
            assert not facts or set(facts) - set(self.untold), "nobody comes back before a fact it waits for stands"
        elif gen == 0:
            assert claimed.reached == b""
        else:
            assert claimed.stop - claimed.start == 1 or claimed.reached == b""

    def parked_as(self, held: Holding, index: int) -> Parked:
        k = int(held.id.split("~")[1]) if "~" in held.id else 0
        record = f"{held.gen}:{index}-{index + 1}~{k + 1}"
        if self.rng.random() < 0.5:
            return Parked(index, held.attempts + 1, self.rng.choice([0, 500, 5000]), "retry")
        reason, due_ms = self.rng.choice(["batch", "event"]), self.rng.choice([-1, -1, 10**9])
        facts = " ".join(facts_of(record))
        return Parked(index, held.attempts + 1, due_ms, reason, facts, f"state of {record}".encode())

    def tell(self) -> None:
        """Facts come late, twice, and for items that wait no more."""
        if self.told and self.rng.random() < self.chaos:
            self.publish(self.ledger.tell(BATCH, "fact", self.rng.choice(self.told)).ids)
        if self.untold:
            fact = self.untold.pop(self.rng.randrange(len(self.untold)))
            self.publish(self.ledger.tell(BATCH, "fact", fact, b"1").ids)
            self.told.append(fact)

    def fails(self, index: int, gen: int) -> bool:
        return gen < 2 and random.Random(f"{self.fail_share}{index}{gen}").random() < self.fail_share

    def commit(self, held: Holding) -> None:
        rng = self.rng
        upto = held.stop if rng.random() < 0.5 else rng.randint(held.start, held.stop)
        give = rng.choice(["", "", "", "back", "hand", "crash", "overtime", "wait"]) if upto < held.stop else ""
        if upto == held.start and give == "":
            return
        tally, outcomes = Tally(), {}
        parked, split, failed = [], [], []
        for index in range(held.start, upto):
            if rng.random() < self.park_share * 0.5 and upto - held.start > 1:
                split.append(index)
            elif rng.random() < self.park_share and held.attempts < 3:
                parked.append(self.parked_as(held, index))
                if parked[-1].facts and rng.random() < 0.2:
                    # What it waits for happens before it is parked.
                    early = rng.choice(parked[-1].facts.split())
                    self.ledger.tell(BATCH, "fact", early)
                    self.untold = [fact for fact in self.untold if fact != early]
            elif self.fails(index, held.gen):
                failed.append(index)
                outcomes[index] = "failed"
            else:
                outcomes[index] = "ok"
        tally.ok = sum(value == "ok" for value in outcomes.values())
        tally.failed, tally.failed_indices = len(failed), failed
        tally.parked, tally.split = parked, [(index, b"") for index in split]
        blob = json.dumps(outcomes).encode()
        times = 2 if rng.random() < self.chaos else 1
        for turn in range(times):
            reply = self.ledger.commit(
                BATCH, held.id, held.start, upto, held.holder, blob, tally, give=give, size=rng.choice([0, 1, 3, 20]),
                wait_ms=rng.choice([0, 500, 20_000]), most=rng.choice([0, 0, 1, 3]),
                go_on=["avail"] if upto == held.stop and rng.random() < 0.5 else None,
            )  # fmt: skip
            if isinstance(reply, Committed):
                if reply.following is not None:
                    assert self.meta("state") == "running"
                    assert reply.following.id not in reply.ids, "what is taken is not published"
                    if rng.random() > self.chaos * 0.3:  # otherwise the answer is lost
                        self.take(reply.following, held.holder)
                inner = [inner_of(fact.encode()) for one in parked for fact in one.facts.split()]
                for one in filter(None, inner):
                    self.redis.zadd(self.keys.batches, {one: self.now_ms + 9000})  # it rests
                facts = self.redis.hkeys(self.keys.of(BATCH, "facts"))
                told = {one.decode() for one in facts} | set(self.untold)
                self.untold += [fact for one in parked for fact in one.facts.split() if fact not in told]
                assert turn == 0 or upto == held.start, "a commit of outcomes is taken once"
                self.publish(reply.ids)
                self.ended(reply.ended)
                for index in split:
                    k = int(held.id.split("~")[1]) if "~" in held.id else 0
                    record = f"{held.gen}:{index}-{index + 1}~{k + 1}"
                    self.holding.append(Holding(held.holder, record, index, index + 1, held.attempts, held.gen))
                    self.split_off.add(record)
        if isinstance(reply, Stale) and times == 1 and reply.start < held.stop:
            held.start = reply.start  # the worker goes on from where the ledger stands
            return
        if isinstance(reply, Committed) and upto < held.stop and give == "":
            held.start, held.attempts = upto, 0
            return
        if held in self.holding and rng.random() > self.chaos * 0.2:
            self.holding.remove(held)  # otherwise a zombie keeps it and commits again later

    def wake(self) -> None:
        look_ms = self.redis.zscore(self.keys.batches, BATCH)
        if look_ms is not None and look_ms > self.now_ms + ROUND_MS:
            return  # it rests, and no caretaker looks at it
        idle, before = not self.queue, self.meta("state")
        woken = self.ledger.wake(BATCH, window=self.window, most=50, idle=idle)
        if woken.state == "cancelled" and before in RUNS:
            self.closed_late()
        if idle and woken.state == "running":
            self.check_nobody_is_forgotten()
        self.check_due(woken.due_in_ms)
        self.publish([chunk_id for chunk_id in woken.ids if chunk_id != "agg"])
        if "agg" in woken.ids and self.rng.random() > self.chaos:
            self.confirm()

    def confirm(self) -> None:
        """An aggregator may be so slow that it confirms what has been redriven, or forgotten, meanwhile."""
        before = self.meta("state")
        done, _, _ = self.ledger.control(BATCH, "confirm", self.gen)
        assert done != "ok" or before not in RUNS, "what runs is not confirmed"
        if before in RUNS:
            assert self.redis.zscore(self.keys.batches, BATCH) is not None, "what runs is looked after"

    def check_rest(self) -> None:
        """A batch is left out of the rounds only where nothing can be due before it is looked at again."""
        state = self.meta("state")
        if state not in RUNS:
            return
        look_ms = self.redis.zscore(self.keys.batches, BATCH)
        assert look_ms is not None, "what runs is looked after"
        if look_ms <= self.now_ms:
            return
        assert look_ms <= self.now_ms + 10_000
        assert not self.redis.exists(self.keys.of(BATCH, "open"), self.keys.of(BATCH, "redo"))
        assert self.meta("cur") == self.meta("avail")
        due = self.redis.zrange(self.keys.of(BATCH, "wake"), 0, -1, withscores=True)
        counts = [at for name, at in due if state == "running" or name == b"deadline"]
        assert look_ms <= min(counts, default=look_ms), (look_ms, due)

    def check_waits(self) -> None:
        """Every fact that is still to come leads to the parked item that waits for it, and to none that is not.

        What is inside the batch is looked at soon once that is paused, goes on, or has ended.
        """
        with self.redis.pipeline() as pipe:
            pipe.hget(self.keys.meta(BATCH), "state")
            for part in ("waits", "parked"):
                pipe.hgetall(self.keys.of(BATCH, part))
            pipe.hkeys(self.keys.of(BATCH, "facts"))
            pipe.zrange(self.keys.of(BATCH, "wake"), 0, -1, withscores=True)
            state, waits, parked, stand, due = pipe.execute()
        before, self.waited = self.waited, (state, [one for one in map(inner_of, waits) if one])
        if state not in (before[0], None):
            looks = [self.redis.zscore(self.keys.batches, one) for one in before[1]]
            assert all(at is None or at <= self.now_ms for at in looks), before
        if state not in (b"running", b"paused"):
            return
        listed = {fact: record for record, packed in parked.items() for fact in packed.split()[2:]}
        assert waits.items() <= listed.items()
        for record, packed in parked.items():
            facts = packed.split()[2:]
            if not set(facts) & set(stand):
                assert all(waits[fact] == record for fact in facts)
            else:
                assert dict(due)[record] <= self.now_ms, "one of them has come"

    def check_nobody_is_forgotten(self) -> None:
        """With an empty queue, what nobody has claimed was sent within the last 10 s, however often it was lost."""
        for chunk_id, record in self.redis.hgetall(self.keys.of(BATCH, "open")).items():
            _, holder, _, _, _, wait_ms, *_ = record.split()
            if holder == b"-":
                due_ms = self.redis.zscore(self.keys.of(BATCH, "wake"), chunk_id)
                assert due_ms is not None
                assert self.now_ms - (due_ms - int(wait_ms)) < 10_000, chunk_id

    def check_due(self, due_in_ms: int | None) -> None:
        """A round is told when something is due next."""
        timers = self.redis.zrange(self.keys.of(BATCH, "wake"), 0, -1, withscores=True)
        assert due_in_ms == min((int(at) - self.now_ms for _, at in timers if at > self.now_ms), default=None)

    def check_pages(self, start: int, stop: int, pages: list[int]) -> None:
        """A claim names the pages of its range, and they are there."""
        assert {index for page in pages for index in range(page, page + self.cut[page])} >= set(range(start, stop))
        assert all(self.redis.hexists(self.keys.of(BATCH, "pages"), str(page)) for page in pages)

    def closed_late(self) -> None:
        began_ms = int(self.meta("created_ms")) if self.gen == 0 else self.redriven_ms
        assert self.meta("reason") == "deadline"
        assert 0 < self.deadline_ms <= self.now_ms - began_ms
        self.cancelled = True
        self.ended("cancelled")

    def overtake(self) -> None:
        """A holder is slow: its lease lapses, another takes the chunk, and two believe that they hold it."""
        self.now_ms += 1500
        self.wake()
        slow = {held.id for held in self.holding}
        for chunk_id in [one for one in self.queue if one in slow]:
            self.queue.remove(chunk_id)
            self.claim(chunk_id)

    def beat(self) -> None:
        held = [(one.id, one.holder) for one in self.holding if self.rng.random() > self.chaos]
        if held:
            self.ledger.beat(BATCH, held)
        if not self.sealed and self.rng.random() > self.chaos:
            self.ledger.beat(BATCH, [("feed", "-")])

    def remember(self) -> None:
        names = [*self.keys.ledger(BATCH)]
        dumps = {name: self.redis.dump(name) for name in names}
        self.saved = ({k: v for k, v in dumps.items() if v is not None}, len(self.closes), dict(self.read))

    def forget(self) -> None:
        """Redis comes back as it was a moment ago; producer, queue and workers remember more than it does."""
        if self.saved is None:
            return
        dumps, closes, self.read = self.saved
        self.redis.delete(*self.keys.ledger(BATCH))
        for name, blob in dumps.items():
            self.redis.restore(name, 0, blob)
        del self.closes[closes:]
        # Who tells a fact does so until that is confirmed, and Redis has forgotten that as well.
        stand = self.redis.hkeys(self.keys.of(BATCH, "facts"))
        every = self.untold + self.told
        self.untold = [fact for fact in every if fact.encode() not in stand]
        self.told = [fact for fact in every if fact.encode() in stand]
        self.saved, self.waited = None, (None, [])
        self.gen = int(self.meta("gen") or 0)
        del self.redriven[self.gen :]
        self.cancelled = self.meta("state") == "cancelled"
        if self.meta("state") == "":
            self.fed, self.sealed = 0, False
        else:
            # The producer learns from its next append; one that had sealed asks again.
            self.sealed = self.meta("sealed") == "1"

    def free(self) -> None:
        """A reader drops some of what it has read; its answer may be lost, and it does so again."""
        line = self.redis.xrange(self.keys.of(BATCH, "line"), count=5)
        some = [(fields[b"out"], place) for place, fields in line if b"out" in fields and self.rng.random() < 0.7]
        if not some:
            return
        for name, _ in some:
            self.read[name] = self.redis.hget(self.keys.of(BATCH, "out"), name)
        assert self.ledger.free(BATCH, some) == len(some)
        if self.rng.random() < self.chaos:
            assert self.ledger.free(BATCH, some) == 0

    def outcomes(self) -> dict[bytes, bytes]:
        """The commits that are there, and those that were read and freed."""
        there: dict[bytes, bytes] = self.redis.hgetall(self.keys.of(BATCH, "out"))
        assert not there.keys() & self.read.keys()
        return {**self.read, **there}

    # -- the schedule --------------------------------------------------------------------------------------------

    def step(self) -> None:
        rng = self.rng
        roll = rng.random()
        if roll < 0.2:
            self.feed()
        elif roll < 0.5:
            self.deliver()
        elif roll < 0.8 and self.holding:
            self.commit(rng.choice(self.holding))
        elif roll < 0.85:
            self.wake()
        elif roll < 0.9:
            self.now_ms += rng.choice([10, 300, 1500])
        elif roll < 0.92:
            self.beat()
        elif roll < 0.94:
            self.tell()
        elif roll < 0.945:
            self.confirm()
        elif roll < 0.955 and rng.random() < self.chaos and self.holding:
            self.holding.remove(rng.choice(self.holding))  # the holder dies
        elif roll < 0.96 and rng.random() < self.chaos:
            self.queue.clear()  # the queue is purged
        elif roll < 0.965 and rng.random() < self.chaos:
            _, _, ids = self.ledger.control(BATCH, rng.choice(["pause", "rest", "resume"]))
            self.publish(ids)
        elif roll < 0.967 and rng.random() < self.chaos * 0.2:
            done, _, _ = self.ledger.control(BATCH, "cancel")
            if done == "ok":
                self.cancelled = True
                self.ended("cancelled")
        elif roll < 0.968:
            done, _, _ = self.ledger.control(BATCH, "expire")
            if done == "ok":
                self.closed_late()
        elif roll < 0.97 and self.holding and rng.random() < 0.5:
            self.overtake()
        elif roll < 0.98:
            self.claim("")
        elif roll < 0.985 and self.holding:
            self.claim(rng.choice(self.holding).id, or_other=True)
        elif roll > 0.99 and self.frees:
            self.free()
        elif roll < 0.99 and self.forgets:
            if self.saved is None:
                self.remember()
            else:
                self.forget()

    def redrive(self) -> bool:
        """Whatever has no good outcome, and was given at all, is run again; or the rest is given as well."""
        newest = self.newest(self.by_gen())
        again = {index for index in range(int(self.meta("avail"))) if newest.get(index) != "ok"}
        feeds = self.rng.random() < 0.5
        goes_on = feeds and self.meta("cut") == "1"
        done, state, ids = self.ledger.control(BATCH, "redrive", feeds=feeds)
        if done != "ok":
            assert not again
            assert not goes_on
            return False
        assert again or goes_on
        assert state == "running"
        assert (self.meta("sealed") == "0") == goes_on
        if goes_on:
            self.fed, self.sealed = int(self.meta("avail")), False
            again |= set(range(self.fed, self.n))
        self.redriven.append(again)
        self.redriven_ms = self.now_ms
        self.cancelled = False
        self.gen += 1
        self.publish(ids)
        return True

    def run(self) -> None:
        for _ in range(self.rng.choice([30, 150])):
            self.step()
            self.check_weight()
            self.check_rest()
            self.check_waits()
        self.forgets = False
        self.calm()
        self.check()
        for _ in range(self.rng.choice([0, 0, 1, 3])):
            self.chaos = self.rng.choice([0.0, 0.1, 0.4])
            if not self.redrive():
                break
            for _ in range(20):
                self.step()
                self.check_weight()
                self.check_rest()
                self.check_waits()
            self.calm()
            self.check()

    def calm(self) -> None:
        """No more faults: everything must end by the caretaker and honest holders alone."""
        self.chaos, self.park_share = 0.0, 0.0
        self.holding.clear()
        self.ledger.control(BATCH, "resume")
        for _ in range(MAX_STEPS):
            if self.meta("state") not in (*RUNS, ""):
                return
            self.feed()
            self.wake()
            self.tell()
            self.now_ms += 700
            while self.queue:
                self.deliver()
            for held in list(self.holding):
                self.commit(held)
        raise AssertionError(f"the batch never closed: {self.redis.hgetall(self.keys.meta(BATCH))}")

    # -- the oracle ----------------------------------------------------------------------------------------------

    def by_gen(self) -> dict[int, dict[int, str]]:
        """The outcomes that were committed in each generation, by index."""
        found: dict[int, dict[int, str]] = {}
        for name, blob in self.outcomes().items():
            gen = int(name.split(b":")[0])
            for index, outcome in json.loads(blob).items():
                assert int(index) not in found.setdefault(gen, {}), f"index {index} has two outcomes in {gen}"
                found[gen][int(index)] = outcome
        return found

    def newest(self, by_gen: dict[int, dict[int, str]]) -> dict[int, str]:
        found: dict[int, str] = {}
        for gen in sorted(by_gen):
            found.update(by_gen[gen])
        return found

    def check(self) -> None:
        state = self.meta("state")
        assert self.closes.count(f"{state} {self.gen}") == 1, (state, self.gen, self.closes)
        assert len([close for close in self.closes if close.endswith(f" {self.gen}")]) == 1, self.closes
        listed = self.redis.zscore(self.keys.catalog, f"batch:{BATCH}")
        assert listed == int(self.meta("created_ms")), "the catalogue lists a batch from its creation on"
        for part in ("open", "parked", "redo") if state == "succeeded" else ():
            assert not self.redis.exists(self.keys.of(BATCH, part)), f"{part} is left over"
        timers = self.redis.zrange(self.keys.of(BATCH, "wake"), 0, -1)
        is_confirmed = int(self.meta("confirmed")) == self.gen
        assert timers == ([] if is_confirmed else [b"agg"]), "an aggregation is due until it is confirmed, and no more"
        assert is_confirmed or not self.plain, "where nothing is to be aggregated the close confirms"
        looked_after = self.redis.zscore(self.keys.batches, BATCH) is not None
        assert is_confirmed != looked_after, "a caretaker looks after a batch until it is confirmed"
        by_gen = self.by_gen()
        if state == "succeeded" and self.gen == 0:
            assert set(by_gen.get(0, {})) == set(range(self.n)), "every index is covered"
        for gen, again in enumerate(self.redriven, start=1):
            covered = set(by_gen.get(gen, {}))
            assert covered <= again
            if gen == self.gen and state == "succeeded":
                assert covered == again
        newest = self.newest(by_gen)
        failed_now = {index for index, outcome in newest.items() if outcome == "failed"}
        recount = sum(outcome == "ok" for outcome in newest.values())
        assert int(self.meta("ok")) == recount
        assert int(self.meta("failed")) == len({i for i, o in by_gen.get(self.gen, {}).items() if o == "failed"})
        failed_in_it = {index for index, outcome in by_gen.get(self.gen, {}).items() if outcome == "failed"}
        assert {int(i) for i in self.redis.smembers(self.keys.of(BATCH, "failed"))} == failed_in_it
        if self.budget >= 0 and self.gen == 0:
            assert (len(failed_now) > self.budget) == (state == "failed") or self.cancelled
        assert int(self.meta("weight")) == 0
        assert int(self.meta("beside") or 0) == 0
        assert int(self.meta("parents") or 0) == 0
        if not self.keeps and state == "succeeded":
            saved = self.redis.hkeys(self.keys.of(BATCH, "saved"))
            assert not [name for name in saved if name.startswith(f"{self.gen}:".encode())], saved
        self.check_kept(newest)
        self.check_line()
        self.check_places()

    def check_kept(self, newest: dict[int, str]) -> None:
        """Of a stream, the pages of all items that did not end well are there, and no others; else all pages."""
        there = {int(page) for page in self.redis.hkeys(self.keys.of(BATCH, "pages"))}
        assert {int(page) for page in self.redis.zrange(self.keys.of(BATCH, "index"), 0, -1)} == there
        avail = int(self.meta("avail"))
        written = {page: range(page, page + n) for page, n in self.cut.items() if page < avail}
        if not self.stream:
            assert there == set(written)
            return
        assert there == {page for page, span in written.items() if any(newest.get(i) != "ok" for i in span)}
        left = {int(page): int(n) for page, n in self.redis.hgetall(self.keys.of(BATCH, "left")).items()}
        assert left == {page: sum(newest.get(i) != "ok" for i in written[page]) for page in there}

    def check_places(self) -> None:
        """Of a batch whose items have keys every commit is found by its generation and first item."""
        places = self.redis.zrange(self.keys.of(BATCH, "place"), 0, -1, withscores=True)
        fields = list(self.outcomes()) if self.keyed else []
        spans = {field: span_of_field(field, None) for field in fields}
        assert dict(places) == {field: span.gen * 2**40 + span.start for field, span in spans.items()}

    def check_line(self) -> None:
        """Who follows the line sees every commit once, and then the close."""
        line = [fields for _, fields in self.redis.xrange(self.keys.of(BATCH, "line"))]
        told = [fields[b"out"] for fields in line if b"out" in fields]
        assert sorted(told) == sorted(self.redis.hkeys(self.keys.of(BATCH, "out")))
        assert not set(told) & set(self.read), "nobody reads twice what was freed"
        assert line[-1] == {b"closed": f"{self.meta('state')} {self.gen}".encode()}


@pytest.mark.parametrize("shard", range(SHARDS))
def test_every_index_has_one_outcome_and_every_generation_closes_once(redis: Redis, shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        world = World(redis, seed)
        try:
            world.run()
        except Exception as exc:
            exc.add_note(f"seed {seed}")
            raise
        redis.delete(*world.keys.ledger(BATCH))
