"""The concurrency of a family under random schedules: it is never exceeded, never miscounted, and nobody starves."""

from __future__ import annotations

import os
import random
from dataclasses import replace

import pytest
from redis import Redis

from flowq.engine.ids import span, split_id
from flowq.engine.keys import Keys
from flowq.engine.ledger import Appended, Claimed, Committed, Ledger, Page, Parked, Tally, Times
from tests.births import birth

SEEDS = int(os.environ.get("FLOWQ_FAMILY_SEEDS", "60"))
SHARDS = 10
ROOT = "root"


class Family:
    """A root, its children, and holders of their chunks; every choice comes from the seed."""

    def __init__(self, redis: Redis, seed: int) -> None:
        self.rng = random.Random(seed)
        self.redis, self.now_ms = redis, 1_000_000
        self.keys = Keys(f"family{seed}")
        times = Times(lease_ms=1000, wait_ms=1000, aggregate_ms=1000, feed_ms=3000)
        self.ledger = Ledger(redis, self.keys, times, clock_ms=lambda: self.now_ms)
        self.limit = self.rng.choice([1, 2, 5])
        self.batches = [ROOT, *(f"child-{number}" for number in range(self.rng.choice([1, 3, 6])))]
        self.queue: list[tuple[str, str]] = []
        self.held: list[tuple[str, Claimed]] = []
        for batch_id in self.batches:
            self.feed(batch_id)

    def feed(self, batch_id: str) -> None:
        create = birth(
            batch_id,
            concurrency=self.limit if batch_id == ROOT else 0,
            in_flight=self.rng.choice([1, 3]),
            size=self.rng.choice([1, 4, 20]),
            fixed=1,
            crowd=self.keys.meta(ROOT),
            starved=self.keys.starved(ROOT),
        )
        reply = self.ledger.append(
            batch_id,
            0,
            [Page(self.rng.choice([1, 6, 15]), b"page")],
            sealed=True,
            window=self.rng.choice([1, 4]),
            create=create,
        )
        assert isinstance(reply, Appended)
        self.publish(batch_id, reply.ids)

    def publish(self, batch_id: str, ids: list[str]) -> None:
        self.queue += [(batch_id, one) for one in ids if one != "agg"]
        self.check()

    def check(self) -> None:
        weights = [int(self.redis.hget(self.keys.meta(one), "weight") or 0) for one in self.batches]
        family = int(self.redis.hget(self.keys.meta(ROOT), "family") or 0)
        assert sum(weights) == family, "every item in flight is counted once"
        assert family <= self.limit
        assert sum(self.at_once(one) for one in self.batches) <= self.limit, "whatever the ledger has counted"

    def at_once(self, batch_id: str) -> int:
        """Items that run at once if what is left of every open chunk does, however long it is."""
        state, in_flight = self.redis.hmget(self.keys.meta(batch_id), ["state", "in_flight"])
        if state not in (b"running", b"paused"):
            return 0
        records = self.redis.hgetall(self.keys.of(batch_id, "open")).items()
        spans = [(int(record.split()[0]), span(one.decode())[1]) for one, record in records]
        return sum(min(int(in_flight), stop - start) for start, stop in spans)

    def step(self) -> None:
        roll = self.rng.random()
        if roll < 0.45 and self.queue:
            batch_id, chunk_id = self.queue.pop(self.rng.randrange(len(self.queue)))
            or_other = self.rng.random() < 0.5
            claim = self.ledger.claim(batch_id, chunk_id, f"h{self.rng.random()}", or_other=or_other)
            if isinstance(claim, Claimed):
                self.held.append((batch_id, claim))
        elif roll < 0.5:
            batch_id, most = self.rng.choice(self.batches), self.rng.choice([1, 7, 30])
            were_open = self.redis.hkeys(self.keys.of(batch_id, "open"))
            claim = self.ledger.claim(batch_id, "", f"h{self.rng.random()}", most=most)
            if isinstance(claim, Claimed):
                assert claim.id.encode() in were_open or claim.stop - claim.start <= most
                self.held.append((batch_id, claim))
            self.check()
        elif roll < 0.6 and self.held:
            self.commit_part(self.rng.randrange(len(self.held)))
        elif roll < 0.85 and self.held:
            self.commit(*self.held.pop(self.rng.randrange(len(self.held))))
        elif roll < 0.9 and self.held:
            self.held.pop()  # its holder dies
        elif roll < 0.92:
            batch_id = self.rng.choice(self.batches[1:])
            self.ledger.control(batch_id, self.rng.choice(["pause", "rest", "resume", "cancel"]))
            self.check()
        else:
            self.now_ms += 1500
            self.wake(self.rng.choice(self.batches))

    def commit(self, batch_id: str, claim: Claimed) -> None:
        holder = self.redis.hget(self.keys.of(batch_id, "open"), claim.id)
        if holder is None:
            return
        name = holder.split()[1].decode()
        parks = self.rng.random() < 0.2
        tally = Tally(ok=0 if parks else claim.stop - claim.start)
        if parks:
            tally.parked = [Parked(index, 1, 500, "retry") for index in range(claim.start, claim.stop)]
        go_on = [] if self.rng.random() < 0.5 else None
        reply = self.ledger.commit(batch_id, claim.id, claim.start, claim.stop, name, b"done", tally, go_on=go_on)
        if isinstance(reply, Committed):
            self.publish(batch_id, reply.ids)
            if reply.following is not None:
                self.held.append((batch_id, reply.following))
            if not reply.opened:
                self.offer()

    def commit_part(self, place: int) -> None:
        """What has ended is committed; slow items run on by themselves, where that lets no more run at once."""
        batch_id, claim = self.held[place]
        in_flight = int(self.redis.hget(self.keys.meta(batch_id), "in_flight"))
        record = self.redis.hget(self.keys.of(batch_id, "open"), claim.id)
        if record is None or claim.stop - claim.start < 2:
            return
        upto = self.rng.randrange(claim.start + 1, claim.stop)
        most = min(in_flight, claim.stop - claim.start) - min(in_flight, claim.stop - upto)
        slow = self.rng.sample(range(claim.start, upto), self.rng.randint(0, min(most, upto - claim.start)))
        tally = Tally(ok=upto - claim.start - len(slow), split=[(index, b"") for index in slow])
        name = record.split()[1].decode()
        reply = self.ledger.commit(batch_id, claim.id, claim.start, upto, name, b"done", tally)
        if isinstance(reply, Committed):
            self.held[place] = (batch_id, replace(claim, start=upto))
            for index in slow:
                alone = replace(claim, id=split_id(claim.id, index), start=index, stop=index + 1)
                self.held.append((batch_id, alone))
            self.publish(batch_id, reply.ids)
            if not reply.opened:
                self.offer()

    def offer(self) -> None:
        starved = self.redis.spop(self.keys.starved(ROOT))
        if starved is not None:
            self.wake(starved.decode())

    def wake(self, batch_id: str) -> None:
        self.publish(batch_id, self.ledger.wake(batch_id).ids)

    def run(self) -> None:
        for _ in range(120):
            self.step()
        for batch_id in self.batches:
            self.ledger.control(batch_id, "resume")
        for _ in range(2000):
            states = {self.redis.hget(self.keys.meta(one), "state") for one in self.batches}
            if states <= {b"succeeded", b"cancelled"}:
                break
            self.now_ms += 700
            for batch_id in self.batches:
                self.wake(batch_id)
            while self.queue or self.held:
                if self.queue:
                    batch_id, chunk_id = self.queue.pop()
                    claim = self.ledger.claim(batch_id, chunk_id, "calm")
                    if isinstance(claim, Claimed):
                        self.held.append((batch_id, claim))
                if self.held:
                    self.commit(*self.held.pop())
        else:
            raise AssertionError("somebody starves")
        assert self.redis.hget(self.keys.meta(ROOT), "family") == b"0"


@pytest.mark.parametrize("shard", range(SHARDS))
def test_a_family_never_has_more_items_in_flight_than_its_root_allows(redis: Redis, shard: int) -> None:
    for seed in range(shard, SEEDS, SHARDS):
        family = Family(redis, seed)
        try:
            family.run()
        except Exception as exc:
            exc.add_note(f"seed {seed}")
            raise
        for batch_id in family.batches:
            redis.delete(*family.keys.ledger(batch_id))
