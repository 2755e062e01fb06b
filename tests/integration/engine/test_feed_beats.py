"""The beats of a process that feeds batches."""

from __future__ import annotations

import threading

from redis import Redis

from flowq.engine.feed_beats import FeedBeats
from flowq.engine.keys import Keys
from flowq.engine.ledger import Ledger, Page, Times
from tests.births import birth
from tests.waiting import until

NAME = "flowq-feed"


def threads() -> set[threading.Thread]:
    return {one for one in threading.enumerate() if one.name == NAME}


def test_all_that_is_fed_is_beaten_for_by_one_thread_which_ends_when_nothing_is(redis: Redis) -> None:
    keys = Keys("beats")
    ledger = Ledger(redis, keys, Times(feed_ms=400))
    for batch_id in ("one", "two"):
        ledger.append(batch_id, 0, [Page(1, b"page")], window=1, create=birth(batch_id))
    beats, others = FeedBeats(ledger), threads()

    def beaten_until(batch_id: str) -> float:
        at = redis.zscore(keys.of(batch_id, "wake"), "feed")
        assert at is not None
        return float(at)

    with beats.of("one"), beats.of("two"):
        first = {batch_id: beaten_until(batch_id) for batch_id in ("one", "two")}
        until(
            lambda: all(beaten_until(one) > at + 400 for one, at in first.items()), 10, "both outlive their first beat"
        )
        assert len(threads() - others) == 1
    stood = {batch_id: beaten_until(batch_id) for batch_id in first}
    until(lambda: not threads() - others, 10, "the thread ends")
    assert {batch_id: beaten_until(batch_id) for batch_id in first} == stood
    with beats.of("one"):
        until(lambda: beaten_until("one") > stood["one"], 10, "another thread beats")
    until(lambda: not threads() - others, 10, "that one ends, too")
