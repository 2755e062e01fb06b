"""What keeps the stores of batches that run: each its own, so that those of the batches that have ended can go."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.codec import content_hash, dumps
from flowq.engine.batches import Header
from flowq.engine.ending.family import end_plain
from flowq.engine.ending.folds import merge_all
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.engine.stored.kept_store import RECENT_KEYS
from flowq.engine.stored.reached import Reached
from flowq.engine.stored.renewals import LOOK_EVERY_S, Renewals
from flowq.engine.stored.snapshots import UNTENDED_S
from tests import nested
from tests.nodes import Asks

SOON_S = 20
STEPS = 3
RETENTION_S, A_DAY_S = 300.0, 86_400
SHORT_S = 2.0


class Counts(flowq.Node[Any, Any]):
    """Sets *keys* keys anew in each of its three steps."""

    def __init__(self, keys: int, **options: Any) -> None:
        super().__init__(**options)
        self.keys = keys

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        step = shared.get("key 0", [0])[0] + 1
        for key in range(self.keys):
            shared[f"key {key}"] = [step, key]
        return "again" if step < STEPS else "done"


def submitted(producer: CeleryExecutor, shared: dict[str, Any] | None, retention_s: float = RETENTION_S) -> Header:
    """A batch flow over *shared*, whose items begin batches of their own; nobody runs it."""
    flow = nested.Level(nested.Leaves(3), 2, retention_s=retention_s)
    return producer.submit(flow.job([{"place": 0}, {"place": 1}], shared=shared)).header


def scope_of(header: Header) -> str:
    return header.blob_scope


def blobs_of(producer: CeleryExecutor, header: Header) -> set[str]:
    """The names of the blobs that lie in the scope of *header*."""
    redis, keys = producer.connections.redis, producer.connections.keys
    start = keys.blob(scope_of(header), "")
    lies_there = redis.scan_iter(keys.pattern(scope_of(header)))
    return {key.decode().removeprefix(start) for key in lies_there if b":blob:" in key}


def stays_s(producer: CeleryExecutor, header: Header, names: Iterable[str]) -> list[int]:
    """How long Redis keeps these blobs."""
    redis, keys = producer.connections.redis, producer.connections.keys
    return [redis.ttl(keys.blob(scope_of(header), name)) for name in names]


def kept_for_s(producer: CeleryExecutor, header: Header, names: Iterable[str]) -> set[bool]:
    """Of blobs that were about to go: whether they stay now, when *header* was looked after."""
    redis, keys = producer.connections.redis, producer.connections.keys
    for name in blobs_of(producer, header):
        redis.expire(keys.blob(scope_of(header), name), SOON_S)
    Renewals(producer.connections).look_after(header)
    return {left_s > SOON_S for left_s in stays_s(producer, header, names)}


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


@pytest.mark.parametrize("shared", [{"words": "given"}, None])
def test_what_an_item_that_waits_has_kept_stays_as_long_as_its_batch_runs(
    producer: CeleryExecutor, slot: Slot, shared: dict[str, Any] | None
) -> None:
    header = submitted(producer, shared)
    given = blobs_of(producer, header)
    run_chunk(slot, header.id, "0:0-1")
    kept = blobs_of(producer, header) - given
    assert kept, "it has changed its store, and waits for its batch"
    assert kept_for_s(producer, header, given | kept) == {True}


def test_a_store_waits_for_workers_for_a_month_and_stays_after_its_end_for_the_retention(
    producer: CeleryExecutor, slot: Slot
) -> None:
    """What an inner batch needs, the one around it may need as well."""
    redis, keys, ledger = producer.connections.redis, producer.connections.keys, producer.connections.ledger
    header = submitted(producer, {"words": "given"})
    run_chunk(slot, header.id, "0:0-1")
    (inner,) = {name.decode() for name in redis.zrange(keys.batches, 0, -1)} - {header.id}
    for one in (header.id, inner):
        Renewals(producer.connections).look_after(slot.headers.get(one))
    names = blobs_of(producer, header)
    assert min(stays_s(producer, header, names)) > UNTENDED_S - 60
    ledger.control(inner, "cancel")
    end_plain(producer.connections, slot.headers.get(inner))
    assert min(stays_s(producer, header, names)) > UNTENDED_S - 60
    ledger.control(header.id, "cancel")
    merge_all(producer.connections, header, 0, 2, lambda deltas: {})
    assert 0 < min(stays_s(producer, header, names)) <= max(stays_s(producer, header, names)) <= RETENTION_S
    assert not redis.exists(keys.held(header.id), keys.held(inner))


def end(producer: CeleryExecutor, header: Header) -> None:
    producer.connections.ledger.control(header.id, "cancel")
    if header.reduces:
        merge_all(producer.connections, header, 0, 2, lambda deltas: {})
    else:
        end_plain(producer.connections, header)


def test_a_batch_kept_for_long_keeps_its_store_when_another_over_the_same_values_is_kept_for_seconds(
    producer: CeleryExecutor,
) -> None:
    shared = {"words": "those of both"}
    header, brief = submitted(producer, shared), submitted(producer, shared, SHORT_S)
    names = set((header.manifest or {}).values())
    end(producer, brief)
    assert min(stays_s(producer, header, names)) > UNTENDED_S - 60
    end(producer, header)
    end(producer, submitted(producer, shared, SHORT_S))
    assert min(stays_s(producer, header, names)) > RETENTION_S - 60, "it can be redriven"


def test_a_blob_that_batches_share_stays_after_the_end_of_one_until_the_others_are_looked_after_again(
    producer: CeleryExecutor,
) -> None:
    """A producer of an earlier release shares it between batches that are kept for long and for seconds."""
    shared = {"words": "those of both"}
    header, brief = submitted(producer, shared), submitted(producer, shared, SHORT_S)
    Renewals(producer.connections).look_after(header)
    end(producer, replace(brief, scope=header.scope))
    left_s = stays_s(producer, header, (header.manifest or {}).values())
    assert LOOK_EVERY_S < min(left_s) <= max(left_s) <= RETENTION_S
    Renewals(producer.connections).look_after(header)
    assert min(stays_s(producer, header, (header.manifest or {}).values())) > UNTENDED_S - 60


def test_a_run_that_was_cancelled_can_go_on_though_its_batch_that_ended_after_it_is_kept_for_seconds(
    producer: CeleryExecutor, slot: Slot
) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    flow = flowq.Flow(nested.Level(nested.Level(nested.Leaves(3), 2, retention_s=SHORT_S), 2, retention_s=SHORT_S))
    run = producer.submit_run(flow, {"words": "given"}, None, None)
    inside = [run.id]
    for _ in range(2):
        run_chunk(slot, inside[-1], "0:0-1")
        (one,) = {name.decode() for name in redis.zrange(keys.batches, 0, -1)} - set(inside)
        inside.append(one)
    headers = [slot.headers.get(one) for one in inside]
    names = blobs_of(producer, headers[0])
    for header in headers:  # the run first: each follows the one around it
        end(producer, header)
    assert min(stays_s(producer, headers[0], names)) > A_DAY_S - 60


@pytest.mark.parametrize("keys", [1, RECENT_KEYS * 2], ids=["a key", "so many that they are put together"])
def test_a_run_keeps_what_the_steps_had_that_it_can_go_back_to_and_no_other(
    producer: CeleryExecutor, slot: Slot, keys: int
) -> None:
    redis = producer.connections.redis
    again = Counts(keys)
    again - "again" >> again
    again - "done" >> Asks()
    run = producer.submit_run(flowq.Flow(again), {"words": "given"}, None, None)
    header = slot.headers.get(run.id)
    run_chunk(slot, run.id, "0:0-1")
    everything, saved = blobs_of(producer, header), producer.connections.keys.of(run.id, "saved")
    assert kept_for_s(producer, header, everything) == {True}
    reached = {field: Reached.decode(blob) for field, blob in redis.hgetall(saved).items()}
    before = [field for field, one in reached.items() if one.steps < STEPS]
    redis.hdel(saved, *before)  # as when a thousand have come after them
    assert run.history()[0].number == STEPS
    values = {content_hash(dumps([step, key])): step for step in range(1, STEPS + 1) for key in range(keys)}
    assert set(values) < everything
    for step in range(1, STEPS + 1):
        assert kept_for_s(producer, header, [name for name, of in values.items() if of == step]) == {step == STEPS}


def test_what_only_the_steps_had_that_a_run_cannot_go_back_to_goes_after_its_retention(
    producer: CeleryExecutor, slot: Slot
) -> None:
    again = Counts(1)
    again - "again" >> again
    again - "done" >> Asks()
    run = producer.submit_run(flowq.Flow(again), {}, None, None)
    header = slot.headers.get(run.id)
    run_chunk(slot, run.id, "0:0-1")
    values = [content_hash(dumps([step, 0])) for step in range(1, STEPS + 1)]
    assert min(stays_s(producer, header, values)) > UNTENDED_S - 60, "in the step that saves them"
    saved = producer.connections.keys.of(run.id, "saved")
    reached = {field: Reached.decode(blob) for field, blob in producer.connections.redis.hgetall(saved).items()}
    producer.connections.redis.hdel(saved, *(field for field, one in reached.items() if one.steps < STEPS))
    Renewals(producer.connections).look_after(header)
    *before, last = stays_s(producer, header, values)
    assert 0 < max(before) <= A_DAY_S < UNTENDED_S - 60 < last
