"""What a node sees as its store on a worker: a dict, of which only that is fetched which is read, and once a worker."""

from __future__ import annotations

import copy
import random
from pathlib import Path

import flowq
from flowq.codec import content_hash
from tests.as_a_dict import STORE, USES, ReadsOne, Uses, UsesOfItems
from tests.nodes import meet_all

PARTS = 4
PART_BYTES = 1024 * 1024


def test_two_processes_of_a_worker_fetch_a_store_from_redis_once(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    redis = cluster.executor.connections.redis
    chance = random.Random()
    parts = {f"part {number}": chance.randbytes(PART_BYTES) for number in range(PARTS)}
    (tmp_path / "pids").mkdir()
    shared = {**parts, "parts": PARTS, "folder": str(tmp_path / "pids"), "processes": 2}
    before = redis.info("stats")["total_net_output_bytes"]
    meet_all(chunk_size=1).run(shared)
    sent_bytes = redis.info("stats")["total_net_output_bytes"] - before
    assert shared["read"] == content_hash(b"".join(parts.values())), "both read the same, or they would quarrel"
    assert PARTS * PART_BYTES < sent_bytes < 1.2 * PARTS * PART_BYTES


def left_by(use: str) -> tuple[str, str]:
    """What came of it, and what is left, where the store is a dict."""
    shared = copy.deepcopy(STORE)
    came = repr(USES[use](shared))
    return came, repr(shared)


def test_in_a_submitted_flow_a_store_is_used_as_the_dict_that_it_is_here(executor: str) -> None:
    runs: dict[str, flowq.Run] = {}
    for use in USES:
        flow = flowq.Flow(Uses())
        flow.set_params({"use": use})
        runs[use] = flow.submit(STORE)
    assert {use: run.result(timeout=30).shared["left"] for use, run in runs.items()} == {
        use: left_by(use) for use in USES
    }


def test_in_a_batch_flows_item_a_store_is_used_as_the_dict_that_it_is_here(executor: str) -> None:
    shared = copy.deepcopy(STORE)
    UsesOfItems().run(shared)
    assert dict(zip(USES, shared["all"], strict=True)) == {use: left_by(use) for use in USES}


def test_what_a_node_does_not_read_of_its_store_is_not_fetched(cluster: flowq.LocalCluster) -> None:
    redis = cluster.executor.connections.redis
    chance = random.Random()
    big = {f"big {number}": chance.randbytes(PART_BYTES) for number in range(PARTS)}
    before = redis.info("stats")["total_net_output_bytes"]
    run = flowq.Flow(ReadsOne()).submit({**big, "small": 1})
    result = run.result(timeout=30)
    assert (result.shared["small"], len(result.shared)) == (7, PARTS)
    sent_bytes = redis.info("stats")["total_net_output_bytes"] - before
    assert sent_bytes < PART_BYTES
    del big["big 1"]
    assert result.shared == {**big, "small": 7}
