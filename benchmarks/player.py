"""The process that plays the workers of a simulated fleet: `benchmarks.simulation` starts it, and hears how it went."""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from dataclasses import dataclass
from typing import Any

from redis import Redis

from benchmarks.lines import Loop
from benchmarks.sim_worker import Fleet, Plan, Worker
from flowq.settings import Settings

LOOK_EVERY_S = 0.2
LAST_S = 0.5  # for the messages of the last chunks to be acknowledged


@dataclass(frozen=True)
class Play:
    """What the player is told.

    Attributes:
        url: as flowq has it; ``address`` as a socket has it.
        network_s: round trip of a network that is to lie between, beside the one that is there.
        most_s: it ends with the batch, or after so long.
    """

    url: str
    address: str | tuple[str, int]
    slots: int
    slots_a_worker: int
    item_s: float
    payload_bytes: int
    network_s: float
    most_s: float


@dataclass(frozen=True)
class Played:
    """What the player says at its end.

    Attributes:
        claim_ms: from a slot's asking for a chunk to its having it: the median, and of the slowest 1 %.
        late_ms: how late it was itself, at worst.
        refused: claims and commits that were turned down.
    """

    claim_ms: float
    claim_p99_ms: float
    late_ms: float
    refused: int


def play(told: Play) -> Played:
    """Play the workers until the batch has ended."""
    settings = Settings(broker_url=told.url)
    redis: Any = Redis.from_url(redis_url(told.address))
    gc.disable()  # thousands of generators to look through, none of them garbage
    loop = Loop(told.network_s)
    plan = Plan(told.item_s, told.payload_bytes)
    fleet = Fleet(loop, told.address, settings.prefix, settings.queue, plan, redis.script_load)
    fleet.window = 2 * told.slots
    (batch_id,) = (one.decode() for one in redis.zrange(fleet.keys.batches, 0, 0))
    for number in range(told.slots // told.slots_a_worker):
        Worker(fleet, f"simulated-{number}", told.slots_a_worker, lambda: batch_id).spawn()
    until_s = time.monotonic() + told.most_s
    while time.monotonic() < until_s and redis.hget(fleet.keys.meta(batch_id), "state") == b"running":
        loop.run(time.monotonic() + LOOK_EVERY_S)
    loop.run(time.monotonic() + LAST_S)
    gc.enable()
    claims = [1000 * seconds for seconds in fleet.told.claim_s] or [0.0, 0.0]
    slowest = statistics.quantiles(claims, n=100)[-1]
    return Played(statistics.median(claims), slowest, loop.late_s * 1000, fleet.told.refused)


def redis_url(address: str | tuple[str, int]) -> str:
    """What redis-py calls *address*."""
    return f"unix://{address}" if isinstance(address, str) else f"redis://{address[0]}:{address[1]}/0"


def main(argument: str) -> None:
    told = json.loads(argument)
    if not isinstance(told["address"], str):
        told["address"] = tuple(told["address"])
        sys.stdin.readline()  # until its end of the cable is plugged in
    print(json.dumps(vars(play(Play(**told)))))


if __name__ == "__main__":
    main(sys.argv[1])
