"""Batches that only wait are left out of the caretaker's rounds, and never for longer than they may be. Own clock."""

from __future__ import annotations

from typing import Literal

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.codec import VERSION
from flowq.engine.batches import Headers
from flowq.engine.ending.facts import child_fact
from flowq.engine.keys import Keys
from flowq.engine.ledger import SCHEMA_VERSION, Claimed, Ledger, Page, Parked, Tally, Times
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.worker.caretaker import Caretaker
from tests.births import birth
from tests.integration.engine.conftest import Clock
from tests.nodes import Asks, Square
from tests.waiting import until

BATCH = "resting"
REST_MS = 10_000


@pytest.fixture
def ledger(redis: Redis, clock: Clock) -> Ledger:
    return Ledger(redis, Keys("test"), Times(lease_ms=1000, wait_ms=1000), clock_ms=clock)


def parked(ledger: Ledger, due_ms: int, fact: str = "", **fields: object) -> None:
    """A batch of one item, which waits for its time or for *fact*."""
    ledger.append(BATCH, 0, [Page(1, b"page")], sealed=True, window=1, create=birth(BATCH, **fields))
    claim = ledger.claim(BATCH, "0:0-1", "a")
    assert isinstance(claim, Claimed)
    waits = Parked(0, 1, due_ms, "event" if fact else "retry", fact)
    ledger.commit(BATCH, "0:0-1", 0, 1, "a", b"outcomes", Tally(parked=[waits]))


def look_in_ms(ledger: Ledger, clock: Clock) -> int:
    """When a caretaker looks at it next."""
    at = ledger.redis.zscore(ledger.keys.batches, BATCH)
    assert at is not None
    return int(at) - clock.ms


def test_a_batch_with_an_open_chunk_is_looked_at_in_every_round(ledger: Ledger, clock: Clock) -> None:
    ledger.append(BATCH, 0, [Page(1, b"page")], sealed=True, window=1, create=birth(BATCH))
    clock.ms += 500
    ledger.wake(BATCH)
    assert look_in_ms(ledger, clock) <= 0


@pytest.mark.parametrize(("due_ms", "looked_at_ms"), [(3000, 3000), (60_000, REST_MS), (-1, REST_MS)])
def test_what_waits_is_looked_at_when_it_is_due_and_every_ten_seconds(
    due_ms: int, looked_at_ms: int, ledger: Ledger, clock: Clock
) -> None:
    parked(ledger, due_ms, fact="" if due_ms >= 0 else "event:answer:0")
    assert look_in_ms(ledger, clock) <= 0, "a caretaker finds out"
    ledger.wake(BATCH)
    assert look_in_ms(ledger, clock) == looked_at_ms


def test_what_is_kept_for_a_short_time_is_looked_at_more_often(ledger: Ledger, clock: Clock) -> None:
    parked(ledger, 60_000, retention_ms=4000)
    ledger.wake(BATCH)
    assert look_in_ms(ledger, clock) == 500, "its store is renewed four times in its retention"


@pytest.mark.parametrize("act", ["pause", "rest", "cancel", "resume"])
def test_a_batch_inside_another_one_rests_until_that_is_paused_or_ends_or_goes_on(
    ledger: Ledger, clock: Clock, act: Literal["pause", "rest", "cancel", "resume"]
) -> None:
    inner = "inner"
    parked(ledger, -1, child_fact(inner, 0))
    ledger.redis.zadd(ledger.keys.batches, {inner: clock.ms + REST_MS})
    if act == "resume":
        ledger.control(BATCH, "pause")
        ledger.redis.zadd(ledger.keys.batches, {inner: clock.ms + REST_MS})
    clock.ms += 1000
    ledger.wake(BATCH)
    assert ledger.redis.zscore(ledger.keys.batches, inner) == clock.ms - 1000 + REST_MS
    ledger.control(BATCH, act)
    assert ledger.redis.zscore(ledger.keys.batches, inner) == clock.ms


def test_a_batch_whose_source_is_silent_rests_until_its_producer_is_missed(ledger: Ledger, clock: Clock) -> None:
    ledger.append(BATCH, 0, [], sealed=False, window=1, create=birth(BATCH))
    ledger.wake(BATCH)
    assert look_in_ms(ledger, clock) == min(ledger.times.feed_ms, REST_MS)
    clock.ms += 2000
    ledger.append(BATCH, 0, [Page(1, b"page")], sealed=False)
    assert look_in_ms(ledger, clock) <= 0


def test_an_event_ends_its_rest(ledger: Ledger, clock: Clock) -> None:
    parked(ledger, -1, "event:answer:0")
    ledger.wake(BATCH)
    clock.ms += 100
    ledger.tell(BATCH, "event", "answer")
    assert look_in_ms(ledger, clock) <= 0


def test_a_paused_batch_rests_and_resuming_it_ends_that(ledger: Ledger, clock: Clock) -> None:
    parked(ledger, 3000)
    ledger.control(BATCH, "pause")
    clock.ms += 5000
    ledger.wake(BATCH)
    assert look_in_ms(ledger, clock) == REST_MS, "what is due waits for the end of the pause"
    ledger.control(BATCH, "resume")
    assert look_in_ms(ledger, clock) <= 0


def test_a_deadline_is_kept_to_whatever_rests(ledger: Ledger, clock: Clock) -> None:
    parked(ledger, 60_000, deadline_ms=4000)
    ledger.control(BATCH, "pause")
    clock.ms += 1000
    ledger.wake(BATCH)
    assert look_in_ms(ledger, clock) == 3000


def test_a_round_leaves_out_the_runs_that_wait_for_an_answer(producer: CeleryExecutor, slot: Slot) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    run = producer.submit_run(flowq.Flow(start=Asks()), {}, None, None)
    run_chunk(slot, run.id, "0:0-1")
    assert run.status == "parked"
    caretaker = Caretaker(producer.connections, Headers(redis, keys), "one", lambda: None)

    def in_a_round() -> float:
        """When it is looked at next, after one."""
        redis.delete(keys.caretaker(SCHEMA_VERSION, VERSION))  # the round before this one was a second ago
        caretaker.tick()
        at: float = redis.zscore(keys.batches, run.id)
        return at

    looked_at = in_a_round()
    busy = producer.submit(Square().job(range(2)))
    redis.delete("flowq")  # its message is lost
    until(lambda: redis.time()[0] * 1000 > looked_at - REST_MS + 1000, 5, "a second later")
    assert in_a_round() == looked_at, "nobody has looked"
    assert caretaker.until_due_s() is not None, "but at the one that is busy"
    busy.cancel()
    run.send("approval", "yes")
    assert redis.zscore(keys.batches, run.id) <= redis.time()[0] * 1000 + 1000
