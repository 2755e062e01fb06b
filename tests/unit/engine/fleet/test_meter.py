"""The fleet's counters: what commits add up to, in a real Redis."""

from __future__ import annotations

from array import array

from redis import Redis

from flowq.batch.results.done import Done, Park
from flowq.batch.results.outcome import Outcome
from flowq.engine.fleet.meter import BUCKETS_S, Meter, read_totals
from flowq.engine.keys import Keys
from tests.waiting import until

LABELS = ("flowq", "Resize")


def test_commits_add_up_by_queue_and_node(redis: Redis) -> None:
    meter, keys = Meter(redis, Keys("flowq")), Keys("flowq")
    failed = {1: Outcome(1, "failed", error=ValueError("bad"), attempts=2)}
    meter.done(*LABELS, Done(0, [1, None, 3], failed, 1.5, array("f", [0.0005, 0.01, 1.4])))
    meter.done(*LABELS, Done(3, [0] * 1000, {}, 0.002))
    meter.done("other", "Resize", Done(0, [None], {}, 0.1, None, [Park(0, 1, 5.0, "retry")]))
    meter.write()
    totals = read_totals(redis, keys)
    assert totals.outcomes == {"ok": {LABELS: 1002}, "failed": {LABELS: 1}}
    assert totals.retried == {LABELS: 1}
    # A time that is a bound falls into its bucket, as Prometheus has it; what was not timed, into that of the mean.
    assert totals.item_times[LABELS].counts == [1001, 1, 0, 0, 1, 0, 0, 0]
    assert len(BUCKETS_S) + 1 == 8
    assert totals.chunk_times[LABELS].counts == [0, 1, 0, 0, 1, 0, 0, 0]
    assert abs(totals.chunk_times[LABELS].seconds - 1.502) < 1e-6
    # An item that waits for its next try has no outcome and no time yet; its chunk has.
    assert sum(totals.item_times["other", "Resize"].counts) == 0
    assert sum(totals.chunk_times["other", "Resize"].counts) == 1


def test_what_redis_does_not_take_is_left_out() -> None:
    nobody = Redis(port=1, retry=None, socket_connect_timeout=0.1)
    meter = Meter(nobody, Keys("flowq"))
    meter.done(*LABELS, Done(0, [1]))
    meter.write()


def test_a_name_with_a_tab_harms_no_other_field(redis: Redis) -> None:
    meter = Meter(redis, Keys("flowq"))
    meter.done("a\tb", "c\td", Done(0, [1]))
    meter.write()
    assert read_totals(redis, Keys("flowq")).outcomes == {"ok": {("a b", "c d"): 1}}


def test_what_was_added_up_is_written_by_itself_and_once(redis: Redis) -> None:
    meter, keys = Meter(redis, Keys("flowq")), Keys("flowq")
    for _ in range(3):
        meter.done(*LABELS, Done(0, [1]))
    until(lambda: read_totals(redis, keys).outcomes == {"ok": {LABELS: 3}}, 10.0)
    meter.write()
    assert read_totals(redis, keys).outcomes == {"ok": {LABELS: 3}}
