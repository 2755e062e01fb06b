"""``python -m benchmarks.simulate [SLOTS ITEM_S PAYLOAD_BYTES]``: simulated workers on one real Redis.

They claim, beat and commit; no item runs: a slot waits until its chunk would be done (sim_worker.py). The rate is
raised until Redis or the machine is full. A process of its own plays the workers, and its CPU is shown beside Redis'.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil
from redis import Redis
from rich.console import Console
from rich.table import Table

import flowq
from benchmarks import nodes
from benchmarks.fleet import Fleet as Model
from benchmarks.fleet import Prices
from benchmarks.lines import Loop
from benchmarks.sim_worker import Fleet, Plan, Worker
from flowq.engine.app import queue_list
from flowq.engine.feed import UNREAD_BYTES
from flowq.engine.presence import WorkerRecord, announce
from flowq.local.redis_server import EmbeddedRedis
from flowq.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SLOTS_A_WORKER = 8
# Slots, seconds of an item, bytes of its payload: more and more chunks a second, larger ones, several in a message.
CASES = (
    (1000, 4.0, 500), (1000, 2.0, 500), (1000, 1.0, 500), (1000, 0.5, 500), (1000, 0.25, 500), (1200, 0.25, 500),
    (1400, 0.25, 500), (1000, 1.0, 2_500), (1000, 0.05, 50),
)  # fmt: skip
WARM_S, MEASURED_S = 4.0, 5.0


@dataclass(frozen=True)
class Rate:
    """One rate: what was asked for and what came, a second."""

    slots: int
    item_s: float
    payload_bytes: int
    seconds: float
    chunks: float
    trips: float
    commands: float
    script_us: float
    in_bytes: float
    out_bytes: float
    redis_cpu: float
    player_cpu: float
    idle_machine: float
    claim_ms: float
    late_ms: float
    refused: int


@dataclass(frozen=True)
class Play:
    """What the process that plays the workers is told."""

    url: str
    socket: str
    slots: int
    slots_a_worker: int
    item_s: float
    payload_bytes: int
    seconds: float


def play(told: Play) -> None:
    """Play the workers, and say how it went."""
    settings = Settings(broker_url=told.url)
    redis: Any = Redis.from_url(f"unix://{told.socket}")
    loop = Loop()
    plan = Plan(told.item_s, told.payload_bytes)
    fleet = Fleet(loop, told.socket, settings.prefix, settings.queue, plan, redis.script_load)
    fleet.window = 2 * told.slots
    batch = [one.decode() for one in redis.zrange(fleet.keys.batches, 0, 0)]
    for number in range(told.slots // told.slots_a_worker):
        Worker(fleet, f"simulated-{number}", told.slots_a_worker, lambda: batch[0]).spawn()
    loop.run(time.monotonic() + told.seconds)
    seen = fleet.told
    claim_s = statistics.median(seen.claim_s) if seen.claim_s else 0.0
    print(json.dumps({"late_ms": loop.late_s * 1000, "claim_ms": claim_s * 1000, "refused": seen.refused}))


class Look:
    """Counters of everybody at one moment."""

    def __init__(self, redis: Any, server: psutil.Process, player: psutil.Process, line: str) -> None:
        self.at_s = time.monotonic()
        stats = redis.info("stats")
        self.in_bytes, self.out_bytes = int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"])
        self.commands = int(stats["total_commands_processed"])
        self.trips = int(stats["total_reads_processed"])  # reads from its sockets: round trips, but for large pages
        self.script_us = float(redis.info("commandstats")["cmdstat_evalsha"]["usec"])
        self.commits = int(redis.xlen(line))
        self.server_s, self.player_s = _cpu_s(server), _cpu_s(player)
        self.idle_s = float(psutil.cpu_times().idle)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def simulate(slots: int, item_s: float, payload_bytes: int, *, warm_s: float = WARM_S, measured_s: float = MEASURED_S,
             slots_a_worker: int = SLOTS_A_WORKER) -> Rate:  # fmt: skip
    """One rate, on a Redis of its own."""
    with EmbeddedRedis(options={"maxclients": "20000"}) as server:
        redis: Any = Redis.from_url(server.redis_url)
        executor = flowq.connect(Settings(broker_url=server.url))
        keys, app = executor.connections.keys, executor.connections.app
        record = WorkerRecord("", "simulated", 1, slots_a_worker, {"flowq": queue_list(app, "flowq")},
                              ("benchmarks.nodes:Noop",), flowq.__version__, time.time())  # fmt: skip
        for number in range(slots // slots_a_worker):
            announce(redis, keys, replace(record, name=f"simulated-{number}"), ttl_s=60.0)
        seconds = warm_s + measured_s + 1.0
        per_s = Model(slots, item_s).load(Prices(gap_s=0.0)).items
        n = int(slots * 3 + per_s * 1.2 * seconds)
        if n * payload_bytes > UNREAD_BYTES:
            raise SystemExit("a producer does not write so many bytes before somebody reads: a smaller payload, please")
        blocks = os.urandom(n * payload_bytes)
        items = [blocks[at : at + payload_bytes] for at in range(0, n * payload_bytes, payload_bytes)]
        handle = executor.submit(nodes.Noop().job(items))
        told = Play(server.url, str(server.socket_path), slots, slots_a_worker, item_s, payload_bytes, seconds)
        command = [sys.executable, "-m", "benchmarks.simulate", "--play", json.dumps(asdict(told))]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as player:
            try:
                time.sleep(warm_s)
                sides = (redis, psutil.Process(server.pid), psutil.Process(player.pid), keys.of(handle.id, "line"))
                before = Look(*sides)
                time.sleep(measured_s)
                after = Look(*sides)
                said = json.loads(player.communicate(timeout=30)[0])
            finally:
                player.kill()
        executor.connections.close()
    s = after.at_s - before.at_s
    return Rate(
        slots, item_s, payload_bytes, s,
        (after.commits - before.commits) / s, (after.trips - before.trips) / s,
        (after.commands - before.commands) / s,
        (after.script_us - before.script_us) / max(1, after.commits - before.commits),
        (after.in_bytes - before.in_bytes) / s, (after.out_bytes - before.out_bytes) / s,
        (after.server_s - before.server_s) / s, (after.player_s - before.player_s) / s,
        (after.idle_s - before.idle_s) / s, said["claim_ms"], said["late_ms"], said["refused"],
    )  # fmt: skip


def show(rates: list[Rate], prices: Prices) -> None:
    """What was simulated beside what the model says."""
    table = Table(title=f"simulated slots, {SLOTS_A_WORKER} a worker, one Redis; the model's figure behind each")
    for column in (
        "slots", "item", "payload", "chunks/s", "model", "trips/s", "model", "commands/s",
        "script µs/chunk", "MB/s in",
        "model", "MB/s out", "model", "Redis CPU", "model", "player's CPU", "claim ms", "refused",
    ):  # fmt: skip
        table.add_column(column, justify="right")
    for rate in rates:
        load = Model(rate.slots, rate.item_s, rate.payload_bytes, SLOTS_A_WORKER).load(replace(prices, gap_s=0.0))
        feeding = load.items * rate.payload_bytes / 1e6  # all items lay there before
        table.add_row(
            f"{rate.slots:,}", f"{rate.item_s:g} s", f"{rate.payload_bytes:,}",
            f"{rate.chunks:,.0f}", f"{load.chunks:,.0f}",
            f"{rate.trips:,.0f}", f"{load.trips:,.0f}", f"{rate.commands:,.0f}", f"{rate.script_us:.0f}",
            f"{rate.in_bytes / 1e6:.1f}", f"{load.in_bytes / 1e6 - feeding:.1f}",
            f"{rate.out_bytes / 1e6:.1f}", f"{load.out_bytes / 1e6 - feeding:.1f}",
            f"{rate.redis_cpu:.0%}", f"{load.cpu:.0%}", f"{rate.player_cpu:.0%}", f"{rate.claim_ms:.2f}",
            str(rate.refused),
        )  # fmt: skip
    Console(width=190).print(table)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--play"]:
        play(Play(**json.loads(arguments[1])))
        return
    cases = [(int(arguments[0]), float(arguments[1]), int(arguments[2]))] if arguments else CASES
    show([simulate(*case) for case in cases], Prices())


if __name__ == "__main__":
    main(sys.argv[1:])
