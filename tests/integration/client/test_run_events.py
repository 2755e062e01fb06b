"""A run's steps as they come: each once, also when the run is longer than the history that is kept of it."""

from __future__ import annotations

from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.client.run import DurableRun
from flowq.engine.keys import Keys
from flowq.engine.stored.reached import Reached
from flowq.local import EmbeddedRedis
from tests import nested

KEPT = 1000


def keep(redis: Redis, run: DurableRun, numbers: range) -> None:
    """What commits leave behind: the states after these nodes, and of all only the last thousand."""
    saved = Keys("flowq").of(run.id, "saved")
    for number in numbers:
        redis.hset(saved, f"0:0-1~{number}", Reached(steps=number, name=f"node {number}").encode())
        redis.hdel(saved, f"0:0-1~{number - KEPT}")


def test_no_step_is_left_out_once_the_first_are_no_longer_kept(redis_server: EmbeddedRedis, redis: Redis) -> None:
    executor = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    run = executor.submit_run(nested.Step("one", "/dev/null"), {}, None, None)
    keep(redis, run, range(1, KEPT + 1))
    events = run.events()
    seen = [next(events).number for _ in range(KEPT)]
    keep(redis, run, range(KEPT + 1, KEPT + 301))
    run.cancel()
    seen += [step.number for step in events]
    assert seen == list(range(1, KEPT + 301))
    executor.connections.close()
