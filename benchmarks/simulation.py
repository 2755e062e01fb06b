"""One simulated fleet on one real Redis: a rate, what everybody spent on it, and whether its batch came out exact.

The workers claim, beat and commit; no item runs: a slot waits until its chunk would be done (sim_worker.py). A process
of its own plays them (player.py). This process feeds the batch, looks at the counters, and counts its outcomes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import psutil

import flowq
from benchmarks import cable, nodes
from benchmarks.fleet import Fleet, Prices
from benchmarks.neighbour import Waiting, beside
from benchmarks.player import Play, Played, redis_url
from benchmarks.sim_worker import PRIORITIES, Plan
from flowq.engine.app import queue_list
from flowq.engine.feeding.feed import UNREAD_BYTES
from flowq.engine.fleet.presence import WorkerRecord, announce
from flowq.local.redis_server import EmbeddedRedis
from flowq.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
SLOTS_A_WORKER = 8
WARM_S, MEASURED_S, DRAIN_S = 4.0, 5.0, 30.0
AHEAD = 3  # items of each slot more than it is expected to run
LOOK_EVERY_S = 0.02


@dataclass(frozen=True)
class Case:
    """A fleet that is simulated.

    Attributes:
        slots: of all workers, eight of each.
        item_s: seconds of an item, 20 % more or less; ``payload_bytes`` of it, and of its value.
        share: of a core that Redis has, the rest is a neighbour's.
        is_fed: items (of 0.2 s or more) are written and values are read while it is measured; False: items lay there
            before.
        is_tcp: over a cable between two network namespaces; False: over a unix socket.
        network_s: round trip of a network on top, which the player waits for.
    """

    slots: int
    item_s: float
    payload_bytes: int
    share: float = 1.0
    is_fed: bool = False
    is_tcp: bool = False
    network_s: float = 0.0

    @property
    def model(self) -> Fleet:
        return Fleet(
            self.slots, self.item_s, self.payload_bytes, SLOTS_A_WORKER, is_fed=self.is_fed, network_s=self.network_s
        )


@dataclass(frozen=True)
class Rate:
    """What came of a case, a second, and of its batch.

    Attributes:
        waited: share of the time for which Redis wanted its core and did not have it.
        redis_cpu, player_cpu: of a core each; ``idle_machine``: cores that nobody used.
        items: of the batch, all in all; ``wrong``: of them without an outcome, with two, or with another value.
        left: messages that lay in the queue or were not acknowledged once the batch had ended.
    """

    seconds: float
    chunks: float
    trips: float
    script_us: float
    in_bytes: float
    out_bytes: float
    redis_cpu: float
    player_cpu: float
    idle_machine: float
    waited: float
    items: int
    wrong: int
    left: int
    played: Played


class Look:
    """Counters of everybody at one moment."""

    def __init__(self, redis: Any, server: psutil.Process, player: psutil.Process, batch: Batch) -> None:
        self.at_s = time.monotonic()
        stats = redis.info("stats")
        self.in_bytes, self.out_bytes = int(stats["total_net_input_bytes"]), int(stats["total_net_output_bytes"])
        self.trips = int(stats["total_reads_processed"])  # reads from its sockets: round trips, but for large pages
        self.script_us = float(redis.info("commandstats")["cmdstat_evalsha"]["usec"])
        self.commits = batch.commits()
        self.server_s, self.player_s = _cpu_s(server), _cpu_s(player)
        self.idle_s = float(psutil.cpu_times().idle)
        self.waited_s = Waiting(server.pid).seconds()


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


class Batch:
    """The batch of a case, and what is known of it."""

    def __init__(self, case: Case, executor: Any) -> None:
        self._case, self._executor = case, executor
        self._redis: Any = executor.connections.redis
        self._keys = executor.connections.keys
        self._stop = threading.Event()
        self._read: Counter[bool] = Counter()
        self._reader: threading.Thread | None = None
        self.handle: Any = None
        self.handle = executor.submit(nodes.Noop().job(self._fed() if case.is_fed else self._all()))
        if case.is_fed:
            self._reader = threading.Thread(target=self._read_all, daemon=True)
            self._reader.start()

    def _all(self) -> list[bytes]:
        case, size = self._case, self._case.payload_bytes
        per_s = case.model.load(Prices(gap_s=0.0)).held_to(case.share).items
        n = int(case.slots * AHEAD + per_s * 1.1 * (WARM_S + 2 * case.item_s + MEASURED_S))
        if n * size > UNREAD_BYTES:
            raise ValueError("a producer does not write so many bytes before somebody reads: have it fed")
        blocks = os.urandom(n * size)
        return [blocks[at : at + size] for at in range(0, n * size, size)]

    def _fed(self) -> Iterator[bytes]:
        """As many more as there are slots, always."""
        fed, ahead = 0, self._case.slots
        while not self._stop.is_set():
            more = self.commits() + ahead - fed
            if more <= 0:
                self._stop.wait(LOOK_EVERY_S)
            for _ in range(more):
                if self._stop.is_set():
                    return
                yield os.urandom(self._case.payload_bytes)
                fed += 1

    def commits(self) -> int:
        """Chunks that are done; the items of one that is fed are chunks of their own."""
        if self.handle is None:
            return 0
        if self._case.is_fed:  # who reads and drops values shortens the line of commits
            return int(self.handle.state().ok)
        return int(self._redis.xlen(self._keys.of(self.handle.id, "line")))

    def _read_all(self) -> None:
        expected = Plan(self._case.item_s, self._case.payload_bytes).value()
        for value in self.handle.results(free=True):
            self._read[value == expected] += 1

    def seal(self) -> None:
        """No further items."""
        self._stop.set()

    def count(self) -> tuple[int, int, int]:
        """Items, of them wrong, and messages left behind."""
        items = int(self.handle.state().avail)
        if self._reader is not None:
            self._reader.join(DRAIN_S)
            wrong = abs(items - self._read[True]) + self._read[False]
        else:
            expected = Plan(self._case.item_s, self._case.payload_bytes).value()
            outcomes = Counter(
                one.index for done in self.handle.commits() for one in done.outcomes() if one.output == expected
            )
            wrong = sum(outcomes[index] != 1 for index in range(items)) + len(set(outcomes) - set(range(items)))
        settings: Settings = self._executor.connections.settings
        queue = f"{settings.prefix}:{settings.queue}"
        left = sum(int(self._redis.llen(queue + priority)) for priority in PRIORITIES)
        return items, wrong, left + int(self._redis.hlen(f"{settings.prefix}:unacked"))


def simulate(case: Case) -> Rate:
    """One case, on a Redis of its own.

    Raises:
        RuntimeError: the items were all done before the count was over.
    """
    with ExitStack() as stack:
        server = stack.enter_context(_server(case))
        pid = server.pid
        if case.share < 1:
            stack.enter_context(beside(pid, case.share))
        executor = flowq.connect(Settings(broker_url=server.url))
        stack.callback(executor.connections.close)
        _announce(executor, case.slots)
        batch = Batch(case, executor)
        address: Any = (cable.SERVER, int(server.url.rsplit(":")[-1].partition("/")[0])) if case.is_tcp else None
        address = address or str(server.socket_path)
        warm_s = WARM_S + 2 * case.item_s
        told = Play(
            redis_url(address) if case.is_tcp else server.url, address, case.slots, SLOTS_A_WORKER, case.item_s,
            case.payload_bytes, case.network_s, warm_s + MEASURED_S + DRAIN_S,
        )  # fmt: skip
        player = stack.enter_context(_player(told, case.is_tcp))
        stack.callback(player.kill)
        time.sleep(warm_s)
        sides = (executor.connections.redis, psutil.Process(pid), psutil.Process(player.pid), batch)
        before = Look(*sides)
        time.sleep(MEASURED_S)
        after = Look(*sides)
        if batch.handle.state().state != "running":
            raise RuntimeError(f"the items of {case} were all done before the count was over")
        batch.seal()
        played = Played(**json.loads(player.communicate(timeout=DRAIN_S + 30)[0]))
        items, wrong, left = batch.count()
    s = after.at_s - before.at_s
    return Rate(
        s, (after.commits - before.commits) / s, (after.trips - before.trips) / s,
        (after.script_us - before.script_us) / max(1, after.commits - before.commits),
        (after.in_bytes - before.in_bytes) / s, (after.out_bytes - before.out_bytes) / s,
        (after.server_s - before.server_s) / s, (after.player_s - before.player_s) / s,
        (after.idle_s - before.idle_s) / s, (after.waited_s - before.waited_s) / s, items, wrong, left, played,
    )  # fmt: skip


def _server(case: Case) -> EmbeddedRedis:
    options = {"maxclients": "20000"}
    if not case.is_tcp:
        return EmbeddedRedis(options=options)
    cable.lay()
    # Nobody else is in this network namespace.
    return EmbeddedRedis(port=0, options={**options, "bind": "0.0.0.0", "protected-mode": "no"})


def _player(told: Play, is_tcp: bool) -> subprocess.Popen[str]:
    command = [*(cable.ALONE if is_tcp else ()), sys.executable, "-m", "benchmarks.player", json.dumps(asdict(told))]
    player = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    if is_tcp and player.stdin is not None:
        cable.plug(player.pid)
        player.stdin.write("plugged in\n")
        player.stdin.flush()
    return player


def _announce(executor: Any, slots: int) -> None:
    """The workers, as the producer looks for them."""
    keys, app = executor.connections.keys, executor.connections.app
    record = WorkerRecord("", "simulated", 1, SLOTS_A_WORKER, {"flowq": queue_list(app, "flowq")},
                          ("benchmarks.nodes:Noop",), flowq.__version__, time.time())  # fmt: skip
    for number in range(slots // SLOTS_A_WORKER):
        announce(executor.connections.redis, keys, replace(record, name=f"simulated-{number}"), ttl_s=60.0)
