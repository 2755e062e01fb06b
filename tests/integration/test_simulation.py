"""The simulated workers of the benchmarks end a real batch, by flowq's own acts."""

from __future__ import annotations

import time

from redis import Redis

import flowq
from benchmarks import nodes
from benchmarks.lines import Loop
from benchmarks.sim_worker import Fleet, Plan, Worker
from flowq.local.redis_server import EmbeddedRedis


def test_simulated_slots_end_a_batch_and_leave_no_message(redis: Redis, redis_server: EmbeddedRedis) -> None:
    settings = flowq.Settings(broker_url=redis_server.url)
    executor = flowq.connect(settings)
    handle = executor.submit(nodes.Noop().job(list(range(40))))
    loop = Loop()
    fleet = Fleet(
        loop, str(redis_server.socket_path), settings.prefix, settings.queue, Plan(0.01, 10), redis.script_load
    )
    fleet.window = 4
    Worker(fleet, "simulated", 2, lambda: handle.id).spawn()
    until = time.monotonic() + 20
    while redis.hget(fleet.keys.meta(handle.id), "state") == b"running" and time.monotonic() < until:
        loop.run(time.monotonic() + 0.05)
    loop.run(time.monotonic() + 0.05)  # the last message is acknowledged
    loop.close()
    assert len(handle.result()) == 40
    assert fleet.told.items == 40
    assert fleet.told.refused <= fleet.window - 2, "only messages of chunks that waited find theirs taken"
    assert not redis.exists(f"{settings.prefix}:unacked", fleet.queue)
    executor.connections.close()
