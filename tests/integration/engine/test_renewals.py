"""What keeps the stores of batches that run: each its own, so that those of the batches that have ended can go."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.batches import Header
from flowq.engine.running.slot import Slot
from flowq.engine.stored.renewals import Renewals
from tests import nested

SOON_S = 20
RETENTION_S = 60.0


def submitted(producer: CeleryExecutor, shared: dict[str, Any]) -> Header:
    """A batch flow over *shared*, whose items begin batches of their own; nobody runs it."""
    flow = nested.Level(nested.Leaves(3), 2, retention_s=RETENTION_S)
    return producer.submit(flow.job([{"place": 0}, {"place": 1}], shared=shared)).header


def blobs_of(producer: CeleryExecutor, header: Header) -> set[str]:
    """The names of the blobs that lie in the scope of *header*."""
    redis, keys = producer.connections.redis, producer.connections.keys
    start = keys.blob(header.scope, "")
    return {key.decode().removeprefix(start) for key in redis.scan_iter(keys.pattern(header.scope)) if b":blob:" in key}


def kept_for_s(producer: CeleryExecutor, header: Header, names: Iterable[str]) -> set[bool]:
    """Of blobs that were about to go: whether they stay now, when *header* was looked after."""
    redis, keys = producer.connections.redis, producer.connections.keys
    for name in blobs_of(producer, header):
        redis.expire(keys.blob(header.scope, name), SOON_S)
    Renewals(producer.connections).look_after(header)
    return {redis.ttl(keys.blob(header.scope, name)) > SOON_S for name in names}


def test_a_batch_that_runs_keeps_its_own_store_and_not_those_of_all_the_batches_before_it(
    producer: CeleryExecutor,
) -> None:
    headers = [submitted(producer, {"words": f"those of batch {one}", "same": "in all"}) for one in range(5)]
    last = set((headers[-1].manifest or {}).values())
    assert kept_for_s(producer, headers[-1], last) == {True}
    assert kept_for_s(producer, headers[-1], blobs_of(producer, headers[-1]) - last) == {False}


def test_nothing_but_blobs_that_go_lies_where_a_producer_keeps_its_stores(producer: CeleryExecutor) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    header = submitted(producer, {"words": "given"})
    lies_there = list(redis.scan_iter(keys.pattern(header.scope)))
    assert {key.decode() for key in lies_there} == {keys.blob(header.scope, one) for one in blobs_of(producer, header)}
    assert all(redis.ttl(key) > 0 for key in lies_there)


def test_what_an_item_that_waits_has_kept_stays_as_long_as_its_batch_runs(producer: CeleryExecutor, slot: Slot) -> None:
    header = submitted(producer, {"words": "given"})
    work = slot.work(header.id)
    assert work.journeys is not None
    given = blobs_of(producer, header)
    (park,) = work.runner.run([{"place": 0}], 0).parked
    assert park.reason == "batch"
    kept = blobs_of(producer, header) - given
    assert kept, "it has changed its store"
    assert kept_for_s(producer, header, given | kept) == {True}


def test_a_run_keeps_all_that_its_steps_and_their_batches_have_kept(producer: CeleryExecutor, slot: Slot) -> None:
    run = producer.submit_run(flowq.Flow(nested.Leaves(3, retention_s=RETENTION_S)), {"words": "given"}, None, None)
    header = slot.headers.get(run.id)
    given = blobs_of(producer, header)
    slot.work(run.id).runner.run([{}], 0)
    assert blobs_of(producer, header) > given
    assert kept_for_s(producer, header, blobs_of(producer, header)) == {True}
