"""A Redis whose maxmemory is reached under noeviction: producers pause or are refused, workers keep what they made.

A real redis-server of 20 MiB. It is filled with other people's keys, or its maxmemory is lowered under what it uses.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from celery.exceptions import Reject
from redis import Redis
from redis.exceptions import ResponseError

import flowq
from flowq.batch.executor import activated
from flowq.client import CeleryExecutor
from flowq.core.journey import AGAIN_S
from flowq.engine.app import RUN_FLOW
from flowq.engine.care.catalog import Catalog
from flowq.engine.headroom import FULL_AT, Headroom, memory_of
from flowq.engine.keys import Keys
from flowq.engine.ledger import Claimed, Committed, Ledger, Page, Tally, Times
from flowq.engine.redis_client import is_full
from flowq.engine.running.slot import Slot
from flowq.local import EmbeddedRedis
from flowq.worker import scheduled
from flowq.worker.boards import Boards
from tests import faulty, nested, nodes
from tests.births import birth
from tests.faulty import runs_of, trace
from tests.heavy import Heavy, heavy
from tests.messages import Log
from tests.nodes import Square
from tests.waiting import until

MIB = 1024 * 1024
MAX_BYTES = 20 * MIB
OPTIONS = {"maxmemory": "20mb", "maxmemory-policy": "noeviction"}
LEASE_S = 3.0


@pytest.fixture
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis(options=OPTIONS) as server:
        yield server


@pytest.fixture
def redis(server: EmbeddedRedis) -> Iterator[Redis]:
    client = Redis.from_url(server.redis_url)
    yield client
    client.close()


@pytest.fixture
def executor(server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    """A producer without workers, which waits a second for room."""
    executor = flowq.connect(flowq.Settings(broker_url=server.url, full_wait_s=1))
    with activated(executor):
        yield executor
    executor.connections.close()


def blobs(n: int) -> list[bytes]:
    """Items of 32 KiB."""
    return [heavy(index) for index in range(n)]


def fill(redis: Redis, upto_bytes: int) -> None:
    """Other people's data, up to this much used memory."""
    number = 0
    while memory_of(redis.info("memory")).used_bytes < upto_bytes:
        redis.set(f"other:{number}", os.urandom(64 * 1024))
        number += 1


def empty(redis: Redis) -> None:
    redis.delete(*redis.keys("other:*"))


def peak_is_low(redis: Redis) -> bool:
    """Never was more used than four fifths and what a page of 256 KiB takes while it is written."""
    peak: int = redis.info("memory")["used_memory_peak"]
    return peak < FULL_AT * MAX_BYTES + MIB


def refuse_everything(redis: Redis) -> None:
    """From now on Redis is full, whatever it holds."""
    redis.config_set("maxmemory", "100kb")


def as_before(redis: Redis) -> None:
    redis.config_set("maxmemory", MAX_BYTES)


def test_a_new_batch_is_refused_at_once_with_the_figures(redis: Redis, executor: CeleryExecutor) -> None:
    fill(redis, int(0.82 * MAX_BYTES))
    for items in (list(range(10)), (i for i in range(10))):
        with pytest.raises(flowq.RedisFull, match=r"of 20\.0 MiB \(8\d% of maxmemory\).*Raise maxmemory") as raised:
            nodes.Square().submit(items)
        assert raised.value.max_bytes == MAX_BYTES
        assert raised.value.used_bytes >= 0.82 * MAX_BYTES
    assert redis.keys("flowq:*") == []
    empty(redis)
    assert nodes.Square().submit(range(10)).progress().total == 10


def test_a_shared_store_without_room_is_refused_before_it_is_written(redis: Redis, executor: CeleryExecutor) -> None:
    shared = {"base": 1, "count": 3, "log": [], "weights": os.urandom(17 * MIB)}
    with pytest.raises(flowq.RedisFull) as raised:
        nodes.count_all().run(shared)
    assert raised.value.wanted_bytes > 17 * MIB
    assert redis.keys("flowq:*") == []


def test_feeding_ends_below_four_fifths_and_leaves_nothing_that_runs(redis: Redis, executor: CeleryExecutor) -> None:
    with pytest.raises(flowq.RedisFull) as raised:
        nodes.Echo().submit(blobs(1000))
    assert 0.7 * MAX_BYTES < raised.value.used_bytes < FULL_AT * MAX_BYTES
    assert peak_is_low(redis)
    (name,) = redis.keys("flowq:{echo-*}:meta")
    assert redis.hget(name, "state") == b"cancelled"
    # Its items are gone with it: who submits less next time finds room.
    until(lambda: redis.info("memory")["used_memory"] < 3 * MIB, 5, "the memory is free again")
    assert nodes.Echo().submit(blobs(100)).progress().total == 100


def test_feeding_goes_on_when_room_comes_free(
    redis: Redis, executor: CeleryExecutor, caplog: pytest.LogCaptureFixture
) -> None:
    fill(redis, 10 * MIB)
    handle = nodes.Echo().submit(item for item in blobs(300))
    until(lambda: "waiting 1 s for room" in caplog.text, 10, "the producer waits")
    assert memory_of(redis.info("memory")).used_bytes < FULL_AT * MAX_BYTES
    assert not handle.state().sealed
    empty(redis)
    until(lambda: handle.progress().total == 300, 10, "all items are written")
    assert peak_is_low(redis)


def test_a_batch_with_a_key_that_found_no_room_is_gone_on_with_under_its_key(
    server: EmbeddedRedis, redis: Redis, executor: CeleryExecutor, tmp_path: Path
) -> None:
    oracle = str(tmp_path / "executions")
    items = blobs(600)
    with pytest.raises(flowq.RedisFull):
        Heavy(oracle).submit(items, key="full")
    with flowq.LocalCluster(workers=1, slots=2, broker_url=server.url, imports=["tests.heavy"], grace_s=0):
        redis.config_set("maxmemory", "64mb")
        handle = Heavy(oracle).submit(items, key="full")
        assert handle.result() == list(range(600))
    assert runs_of(oracle) == dict.fromkeys(range(600), 1)


@pytest.mark.parametrize("key", [None, "refused"], ids=["no key", "key"])
def test_what_redis_refuses_in_the_middle_of_submit_does_not_run_or_waits_under_its_key(
    redis: Redis, executor: CeleryExecutor, key: str | None
) -> None:
    items = blobs(100)

    def refused_meanwhile() -> Iterator[bytes]:
        for index, item in enumerate(items):
            if index == 70:
                refuse_everything(redis)
            yield item

    handle = nodes.Echo().submit(refused_meanwhile(), key=key)
    with pytest.raises(flowq.RedisFull):
        handle.wait(timeout=30)
    state = handle.state()
    assert 0 < state.avail < 100
    as_before(redis)
    if key is None:
        assert state.state == "cancelled"
        return
    assert (state.state, state.sealed) == ("running", False)
    again = nodes.Echo().submit(items, key=key)
    assert again.id == handle.id
    assert again.progress().total == 100


def test_workers_keep_what_a_full_redis_refuses_and_store_it_later(tmp_path: Path) -> None:
    oracle, n = str(tmp_path / "executions"), 200
    with flowq.LocalCluster(
        workers=2, slots=2, lease_s=LEASE_S, imports=["tests.faulty"], redis_options=OPTIONS, grace_s=0
    ) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        handle = faulty.Traced(oracle, seconds=0.02).submit(range(n))
        until(lambda: handle.progress().done > 10, 10, "some are done")
        refuse_everything(redis)
        until(lambda: in_hand(oracle) == 0, 10, "what was begun has ended")
        refused_at, stood = time.monotonic(), handle.progress().done
        until(lambda: time.monotonic() - refused_at > LEASE_S + 1, 10, "leases would have lapsed")
        assert handle.progress().done == stood < n
        as_before(redis)
        assert handle.result() == [i * 3 for i in range(n)]
        assert (handle.state().losses, handle.state().crashes) == (0, 0)
        assert all(worker.process.running for worker in cluster.workers)
        redis.close()
    assert runs_of(oracle) == dict.fromkeys(range(n), 1)


def test_a_run_whose_step_ends_while_redis_is_full_goes_on_once_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nested"], redis_options=OPTIONS, grace_s=0) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        run = nested.six_steps(str(path), first_s=0.3).submit({"numbers": [1, 2]})
        until(lambda: "one begins" in nested.notes(path), 20, "the first step runs")
        refuse_everything(redis)
        Log(cluster.workers[0].log_path, whole=True).await_line("Redis is full")
        as_before(redis)
        assert run.result(timeout=30).shared["squares"] == [1, 4]
        redis.close()
    assert nested.notes(path).count("one begins") == 1


def test_an_item_that_finds_no_room_for_a_batch_of_its_own_waits_for_it(redis: Redis, executor: CeleryExecutor) -> None:
    slot = Slot(executor.connections, "one", Boards().own(0))
    work = slot.work(executor.submit(nested.Level(nested.Leaves(3), 1).job([{}], shared={})).header.id)
    fill(redis, int(0.82 * MAX_BYTES))
    executor.connections.headroom.forget()  # what it answered a moment ago
    (park,) = work.runner.run([{}], 0).parked
    assert (park.reason, park.due_in_s) == ("Redis is full", AGAIN_S)
    empty(redis)
    executor.connections.headroom.forget()
    (park,) = work.runner.run([{}], 0).parked
    assert park.reason == "batch"


def test_a_fork_that_finds_no_room_leaves_nothing_behind_for_good(tmp_path: Path) -> None:
    with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nested"], redis_options=OPTIONS, grace_s=0) as cluster:
        redis, connections = Redis.from_url(cluster.redis.redis_url), cluster.executor.connections
        run = nested.six_steps(str(tmp_path / "notes")).submit({"numbers": [1, 2]})
        run.result(timeout=30)
        cluster.kill_worker(0)
        fill(redis, int(0.82 * MAX_BYTES))
        connections.headroom.forget()
        with pytest.raises(flowq.RedisFull):
            run.resume(from_step=2, fork=True)
        assert [key for key in redis.scan_iter("flowq:{*") if redis.ttl(key) == -1] == []
        empty(redis)
        connections.headroom.forget()
        fork = run.resume(from_step=2, fork=True)
        assert redis.ttl(connections.keys.of(fork.id, "saved")) == -1, "it may wait for as long as it likes"
        cluster.add_worker()
        assert fork.result(timeout=30).shared["squares"] == [1, 4]
        redis.close()


def in_hand(oracle: str) -> int:
    """How many executions have begun and not ended."""
    return sum(one.ended is None for one in trace(oracle))


def test_workers_outlive_a_redis_that_is_full_again_and_again(tmp_path: Path) -> None:
    oracle, n = str(tmp_path / "executions"), 200
    choose = random.Random(7)
    with flowq.LocalCluster(
        workers=2, slots=1, lease_s=LEASE_S, imports=["tests.faulty"], redis_options=OPTIONS, grace_s=0
    ) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        handle = faulty.Traced(oracle, seconds=0.02).submit(range(n))
        while not handle.wait(timeout=choose.uniform(0, 0.5)) and handle.progress().done < n // 2:
            refuse_everything(redis)
            handle.wait(timeout=choose.uniform(0, 0.5))
            as_before(redis)
        assert handle.result() == [i * 3 for i in range(n)]
        assert all(worker.process.running for worker in cluster.workers)
        # As many of them work as before.
        more = faulty.Traced(oracle, seconds=0.02).submit(range(n, n + 100))
        assert more.result() == [i * 3 for i in range(n, n + 100)]
        pids = {one.pid for one in trace(oracle) if one.index >= n}
        assert len(pids) == 2
        redis.close()
    assert runs_of(oracle) == dict.fromkeys(range(n + 100), 1)


def test_a_worker_that_connects_again_and_again_to_a_full_redis_leaves_no_connection_open() -> None:
    with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nodes"], redis_options=OPTIONS, grace_s=0) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        main = psutil.Process(cluster.workers[0].pid)
        assert Square().map([1, 2]) == [1, 4]
        had = main.num_fds()
        refuse_everything(redis)
        redis.client_kill_filter(_type="normal", skipme=True)
        log = Log(cluster.workers[0].log_path)
        until(lambda: len(log.lines("Cannot connect")) > 20, 30, "it has tried to connect twenty times")
        assert main.num_fds() < had + 10
        as_before(redis)
        assert Square().map([3, 4]) == [9, 16]
        redis.close()


def test_a_scheduled_flow_is_begun_once_there_is_room() -> None:
    with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nodes"], redis_options=OPTIONS, grace_s=0) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        connections = cluster.executor.connections
        entry = flowq.scheduled(flowq.Flow(nodes.FromStore()), 60, key="nightly", shared={"items": [1, 2]})
        fill(redis, int(0.82 * MAX_BYTES))
        connections.app.send_task(RUN_FLOW, args=(*entry["args"][:3], 1_700_000_000), **entry["options"])
        Log(cluster.workers[0].log_path, whole=True).await_line("a scheduled flow is not begun yet", "Redis uses")
        assert list(Catalog(connections.redis, connections.keys).newest("run")) == []
        empty(redis)
        runs = until(lambda: list(Catalog(connections.redis, connections.keys).newest("run")), 10, "the run is begun")
        assert flowq.get_run(runs[0].id).result(timeout=20).shared["result"] == [1, 2]
        redis.close()


def test_a_scheduled_flow_that_found_no_room_for_long_goes_back_to_its_queue(
    redis: Redis, executor: CeleryExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scheduled, "AWAY_FOR_S", 0.0)
    spec, store, key, _ = flowq.scheduled(flowq.Flow(nodes.FromStore()), 60, key="nightly")["args"]
    fill(redis, int(0.82 * MAX_BYTES))
    with pytest.raises(Reject) as raised:
        scheduled.begin(executor, spec, store, key, 1_700_000_000)
    assert raised.value.requeue


def test_what_stores_no_outcome_goes_through_when_redis_is_full(redis: Redis) -> None:
    clock = {"ms": 1_000_000}
    keys = Keys("full")
    ledger = Ledger(redis, keys, Times(lease_ms=1000), clock_ms=lambda: clock["ms"])
    ledger.append("b", 0, [Page(10, b"page")], window=3, create=birth("b", fixed=1))
    first, second = (ledger.claim("b", name, "h") for name in ("0:0-1", "0:1-2"))
    assert isinstance(first, Claimed)
    assert isinstance(second, Claimed)
    refuse_everything(redis)
    for refused in (
        lambda: ledger.append("b", 10, [Page(10, b"page")]),
        lambda: ledger.commit("b", second.id, 1, 2, "h", b"outcome", Tally(ok=1)),
        lambda: ledger.claim("b", "0:2-3", "other"),
    ):
        with pytest.raises(ResponseError) as raised:
            refused()
        assert is_full(raised.value)
    clock["ms"] += 900
    assert ledger.beat("b", [(first.id, "h"), ("feed", "-")]) == []
    assert redis.zscore(keys.of("b", "wake"), first.id) == clock["ms"] + 1000
    assert isinstance(ledger.commit("b", second.id, 1, 1, "h", give="hand"), Committed)
    assert ledger.control("b", "pause")[0] == "ok"
    assert ledger.control("b", "cancel")[0] == "ok"


def test_redis_is_asked_for_its_memory_once_a_second_at_most(redis: Redis) -> None:
    headroom = Headroom(redis)
    for _ in range(1000):
        assert headroom.fits(100)
    assert redis.info("commandstats")["cmdstat_info"]["calls"] <= 3


def test_where_redis_evicts_nothing_is_refused(redis: Redis) -> None:
    fill(redis, int(0.9 * MAX_BYTES))
    assert not Headroom(redis).fits(1)
    redis.config_set("maxmemory-policy", "allkeys-lru")
    assert Headroom(redis).fits(1)
