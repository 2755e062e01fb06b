"""A shared store goes to a worker once, however many processes that has."""

from __future__ import annotations

import random
from pathlib import Path

import flowq
from flowq.codec import content_hash
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
