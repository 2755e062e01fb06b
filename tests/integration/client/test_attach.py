"""A batch from another process: what its handle knows, its failures, the catalogue it is found in."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.client.failures import AT_ONCE, read_failures
from flowq.client.outcomes import WINDOW_ITEMS
from flowq.client.submitted import Submitted
from flowq.engine.care.catalog import Catalog, Sweep
from flowq.engine.care.remains import Cleaner
from flowq.engine.connection import Connections
from flowq.engine.keys import Keys
from flowq.local import EmbeddedRedis, LocalCluster
from tests import nodes
from tests.submitting import submit
from tests.waiting import until

ELSEWHERE = """
import json, sys
import flowq
from tests import nodes
batch = flowq.get_batch(sys.argv[1])
failed = [[o.index, o.key, o.input, repr(o.error), o.attempts, bool(o.worker)] for o in batch.failures()]
print(json.dumps([batch.label, batch.wait(0), batch.progress().total, batch.result()[:3], failed]))
"""


def catalog_of(cluster: LocalCluster) -> Catalog:
    connections = cluster.executor.connections
    return Catalog(connections.redis, connections.keys)


def _elsewhere(cluster: LocalCluster, *words: str) -> str:
    """What Python prints that is called so in a process of its own."""
    done = subprocess.run(
        [sys.executable, *words],
        env={"FLOWQ_BROKER_URL": cluster.broker_url, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout


def test_another_process_reads_a_batch_by_its_id(cluster: LocalCluster) -> None:
    batch = submit(nodes.Keyed(max_retries=2, on_error="collect"), range(20), label="twenty")
    assert batch.wait(20)
    label, ended, total, first, failed = json.loads(_elsewhere(cluster, "-c", ELSEWHERE, batch.id))
    assert (label, ended, total, first) == ("twenty", True, 20, [0, 1, 2])
    assert failed == [[7, "key-7", 7, "ValueError('7 is refused')", 2, True]]


def test_a_process_that_knows_no_class_of_a_batch_looks_at_it_all_the_same(cluster: LocalCluster) -> None:
    batch = submit(nodes.Keyed(config={"at": nodes.Point(1, 2)}, on_error="collect"), [6, 7])
    assert batch.wait(20)
    look = "import flowq, sys; batch = flowq.get_batch(sys.argv[1]); print(batch.node, batch.progress().failed)"
    assert _elsewhere(cluster, "-c", look, batch.id) == "Keyed 1\n"
    assert batch.id in _elsewhere(cluster, "-m", "flowq", "status", batch.id)
    (line,) = _elsewhere(cluster, "-m", "flowq", "failures", batch.id, "--json").splitlines()
    assert (json.loads(line)["input"], json.loads(line)["key"]) == (7, None)
    (line,) = _elsewhere(cluster, "-m", "flowq", "failures", batch.id, "--json", "--import", "tests.nodes").splitlines()
    assert (json.loads(line)["input"], json.loads(line)["key"]) == (7, "key-7")


def test_a_handle_that_was_attached_keeps_the_policy_of_the_batch(cluster: LocalCluster) -> None:
    strict = submit(nodes.Keyed(on_error="raise", chunk_size=1), range(8))
    skipping = submit(nodes.Keyed(on_error="skip"), range(8))
    allowing = submit(nodes.Keyed(on_error="skip", max_failures=0), range(8))
    with pytest.raises(flowq.BatchError, match="7 is refused") as raised:
        flowq.get_batch(strict.id).result(timeout=20)
    assert raised.value.results.items[7].input == 7
    assert flowq.get_batch(skipping.id).result(timeout=20) == list(range(7))
    with pytest.raises(flowq.BatchError):
        flowq.get_batch(allowing.id).result(timeout=20)


def test_a_cancelled_batch_reads_the_same_from_an_attached_handle(cluster: LocalCluster) -> None:
    batch = submit(nodes.Sleepy(on_error="collect"), [0.01, 30.0, 30.0, 30.0])
    flowq.get_batch(batch.id).cancel()
    own, other = batch.result(timeout=20), flowq.get_batch(batch.id).result(timeout=20)
    assert [(one.index, one.status, one.input) for one in other.items] == [
        (one.index, one.status, one.input) for one in own.items
    ]


@pytest.mark.parametrize("unknown", ["no-such-batch-1234567890", "{meta}", "", "Ünbekannt"])
def test_an_id_that_redis_does_not_hold_is_said_so(cluster: LocalCluster, unknown: str) -> None:
    with pytest.raises(flowq.BatchLost, match="flowq ls"):
        flowq.get_batch(unknown)


def test_without_workers_there_is_nowhere_to_look(inline: flowq.InlineExecutor) -> None:
    with pytest.raises(flowq.ConfigError, match="FLOWQ_BROKER_URL"):
        flowq.get_batch("some-batch-1234567890")


def test_threads_read_the_inputs_of_one_result_side_by_side(cluster: LocalCluster) -> None:
    n, threads = 60_000, 8  # more pages than stay decoded
    batch = submit(nodes.Square(), list(range(n)))
    assert batch.wait(60)
    outcomes = flowq.get_batch(batch.id).result().items
    often = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(threads) as pool:
            places = [random.Random(seed).choices(range(n), k=1_000) for seed in range(threads)]
            wrong = pool.map(lambda some: [at for at in some if outcomes[at].input != at], places)
            assert list(wrong) == [[]] * threads
    finally:
        sys.setswitchinterval(often)


def test_a_failure_shows_where_it_was_raised(cluster: LocalCluster) -> None:
    batch = submit(nodes.Keyed(on_error="collect"), [7])
    assert batch.wait(20)
    [failure] = batch.failures()
    assert 'raise ValueError(f"{item} is refused")' in failure.traceback
    assert failure.status == "failed"


def test_the_failures_of_a_long_batch_are_its_results_failures(cluster: LocalCluster) -> None:
    batch = submit(nodes.Picky(on_error="collect", max_retries=2, wait=1.1), range(3000))
    result = batch.result(timeout=60)
    failures = list(flowq.get_batch(batch.id).failures())
    assert [one.index for one in failures] == [one.index for one in result.failed]
    assert [str(one.error) for one in failures] == [str(error) for error in result.errors.values()]
    assert {one.attempts for one in failures} == {2}


def test_only_commits_that_hold_a_failure_are_read(cluster: LocalCluster) -> None:
    batch = submit(nodes.Keyed(on_error="collect", chunk_size=5), range(100))
    assert batch.wait(20)
    connections = cluster.executor.connections
    out = connections.keys.of(batch.id, "out")
    for field in connections.redis.hkeys(out):
        if b"0:5-10" not in field:
            connections.redis.hset(out, field, b"not readable")
    assert [one.index for one in read_failures(connections, batch.id)] == [7]


@pytest.mark.parametrize("read", ["outcomes", "failures"])
def test_a_retention_that_ends_while_somebody_reads_is_no_list_of_cancelled_items(
    cluster: LocalCluster, read: str
) -> None:
    n, node = 2 * WINDOW_ITEMS, nodes.Echo(retention_s=2)
    if read == "failures":
        n, node = 12 * AT_ONCE, nodes.Picky(retention_s=2, on_error="collect")
    batch = submit(node, range(n))
    assert batch.wait(30)
    outcomes = iter(getattr(batch, read)())
    next(outcomes)
    connections = cluster.executor.connections
    until(lambda: not connections.redis.exists(connections.keys.meta(batch.id)), 10, "the end of its retention")
    with pytest.raises(flowq.BatchLost):
        list(outcomes)
    with pytest.raises(flowq.BatchLost):
        batch.failures()


def test_who_waits_for_a_batch_that_is_redriven_as_it_ends_waits_for_that_end(
    cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    wait = Submitted.wait
    redriven = list[str]()

    def redriven_at_once(submitted: Submitted, *args: Any, **more: Any) -> bool:
        if redriven:
            return wait(submitted, *args, **more)
        other = flowq.get_batch(submitted.id)
        other.cancel()
        ended = wait(submitted, *args, **more)
        redriven.append(other.retry_failed().id)
        return ended

    monkeypatch.setattr(Submitted, "wait", redriven_at_once)
    batch = submit(nodes.Slow(0.02, on_error="collect"), range(40))
    result = batch.result(timeout=30)
    assert (redriven, list(result), batch.state().state) == ([batch.id], list(range(40)), "succeeded")


def test_the_catalogue_lists_the_newest_first(cluster: LocalCluster) -> None:
    batches = [submit(nodes.Square(), range(3), label=f"listed-{n}") for n in range(3)]
    listed = [one.id for one in catalog_of(cluster).newest("batch")]
    assert listed[:3] == [batch.id for batch in reversed(batches)]


def test_what_is_gone_is_listed_no_more_and_trimmed(redis: Any) -> None:
    keys = Keys("trimmed")
    catalog = Catalog(redis, keys)
    redis.zadd(keys.catalog, {f"batch:b-{number}": number for number in range(250)})
    for number in range(0, 250, 50):
        redis.hset(keys.meta(f"b-{number}"), "state", "succeeded")
    left = [f"b-{number}" for number in (200, 150, 100, 50, 0)]
    assert [one.id for one in catalog.newest()] == left
    sweep = Sweep(catalog)
    for _ in range(5):
        sweep.tick()
    assert redis.zcard(keys.catalog) == len(left)
    assert [one.id for one in catalog.newest()] == left


def test_any_number_of_batches_that_went_at_once_is_trimmed_at_once(redis: Any) -> None:
    keys = Keys("trimmed")
    catalog = Catalog(redis, keys)
    redis.zadd(keys.catalog, {f"batch:b-{number}": number for number in range(2050)})
    for kept in (1000, 2049):
        redis.hset(keys.meta(f"b-{kept}"), "state", "succeeded")
    Sweep(catalog).tick()
    assert redis.zrange(keys.catalog, 0, -1) == [b"batch:b-1000", b"batch:b-2049"]


def test_gc_unlists_all_that_is_gone(redis: Any, redis_server: EmbeddedRedis) -> None:
    connections = Connections(flowq.Settings(broker_url=redis_server.url))
    keys = connections.keys
    redis.zadd(keys.catalog, {f"batch:b-{number}": number for number in range(250)})
    cleaner = Cleaner(connections)
    cleaner.remove(found := cleaner.find())
    assert (found.listed, redis.zcard(keys.catalog)) == (250, 0)
    connections.close()


def test_entries_of_a_kind_that_is_not_known_are_kept(redis: Any) -> None:
    keys = Keys("newer")
    redis.zadd(keys.catalog, {"plan:of-a-newer-flowq": 1.0})
    catalog = Catalog(redis, keys)
    assert catalog.trim() == (None, 0)
    assert [one.kind for one in catalog.newest()] == ["plan"]
    assert list(catalog.newest("batch")) == []
