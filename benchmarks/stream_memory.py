"""``python -m benchmarks.stream_memory [N]``: N items from a generator, every value checked, memory watched meanwhile.

A producer of its own process submits a generator and reads the results in item order, freeing them as it goes. This
process looks at everybody's memory 20 times a second. Never here: comparisons (see __main__).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

import flowq
from benchmarks import nodes, work

MIB = 2**20
ROOT = Path(__file__).resolve().parents[1]
N = 2_000_000
LOOK_EVERY_S = 0.05
SLOTS = 2


@dataclass
class Figures:
    """What one run came to; memory in bytes above the idle level, at its highest."""

    n: int
    seconds: float = 0.0
    first_result_s: float = 0.0
    generator_ended_s: float = 0.0
    wrong: int = 0
    producer_bytes: int = 0
    worker_bytes: int = 0
    slot_bytes: int = 0
    redis_bytes: int = 0
    unread_bytes: int = 0
    unfinished_bytes: int = 0
    looks: int = field(default=0)


def produce(n: int) -> None:
    """The producer: says when it is ready, begins when told to, and says how it went."""
    assert list(nodes.Digest().submit(work.record(i) for i in range(1000)).results()) == [
        work.digest(work.record(i)) for i in range(1000)
    ]
    print("ready", flush=True)
    sys.stdin.readline()
    figures, began, ended = Figures(n), time.monotonic(), list[float]()

    def items() -> Iterator[Any]:
        for number in range(n):
            yield work.record(number)
        ended.append(time.monotonic() - began)

    read = 0
    for read, value in enumerate(nodes.Digest(label="stream").submit(items()).results(free=True), 1):
        if read == 1:
            figures.first_result_s = time.monotonic() - began
        figures.wrong += value != work.digest(work.record(read - 1))
    figures.seconds = time.monotonic() - began
    figures.generator_ended_s = ended[0]
    figures.wrong += abs(n - read)
    print(json.dumps(asdict(figures)), flush=True)


class Watch:
    """Looks at the memory of everybody who has a part in it."""

    def __init__(self, producer: int, worker: int, redis: Redis) -> None:
        self._producer, self._worker, self._redis = psutil.Process(producer), psutil.Process(worker), redis
        self._idle = self._levels()

    def _levels(self) -> tuple[int, list[int], int]:
        family = [self._worker, *self._worker.children()]
        memory: Any = self._redis.info("memory")
        return own_bytes(self._producer), [own_bytes(one) for one in family], int(memory["used_memory"])

    def look(self, figures: Figures) -> None:
        """Keep what is higher than ever before."""
        producer, family, redis = self._levels()
        was_producer, was_family, was_redis = self._idle
        figures.looks += 1
        figures.producer_bytes = max(figures.producer_bytes, producer - was_producer)
        figures.worker_bytes = max(figures.worker_bytes, sum(family) - sum(was_family))
        grown = [now - was for now, was in zip(family, was_family, strict=False)]
        figures.slot_bytes = max(figures.slot_bytes, *grown)
        figures.redis_bytes = max(figures.redis_bytes, redis - was_redis)
        unread, unfinished = self._input()
        figures.unread_bytes = max(figures.unread_bytes, unread)
        figures.unfinished_bytes = max(figures.unfinished_bytes, unfinished)

    def _input(self) -> tuple[int, int]:
        """Bytes of the pages that nobody has begun to read; of all pages that are there."""
        unread = unfinished = 0
        for key in self._redis.scan_iter("*:{stream-*}:pages"):
            total = int(self._redis.memory_usage(key, samples=0) or 0)
            cur = int(self._redis.hget(key.replace(b":pages", b":meta"), "cur") or 0)
            firsts = [int(first) for first in self._redis.hkeys(key)]
            ahead = sum(first >= cur for first in firsts)
            unfinished += total
            unread += total * ahead // max(1, len(firsts))
        return unread, unfinished


def own_bytes(process: psutil.Process) -> int:
    """Memory of a process, without what a fork shares with its parent where the system tells."""
    return int(process.memory_full_info().uss)


def measure(n: int) -> Figures:
    """Run it on a private Redis and one worker with two slots."""
    with flowq.LocalCluster(slots=SLOTS, workers=1, imports=["benchmarks.nodes"]) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        command = [sys.executable, "-m", "benchmarks.stream_memory", "--produce", cluster.broker_url, str(n)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as producer:
            assert producer.stdin is not None
            assert producer.stdout is not None
            assert producer.stdout.readline() == "ready\n"
            watched, watch = Figures(n), Watch(producer.pid, cluster.workers[0].pid, redis)
            producer.stdin.write("go\n")
            producer.stdin.flush()
            while producer.poll() is None and redis.ping():
                watch.look(watched)
                time.sleep(LOOK_EVERY_S)
                if watched.looks > 3600 / LOOK_EVERY_S:
                    producer.kill()
            told = Figures(**json.loads(producer.stdout.readline()))
    watched.seconds, watched.first_result_s = told.seconds, told.first_result_s
    watched.generator_ended_s, watched.wrong = told.generator_ended_s, told.wrong
    return watched


def unread_without_readers(n: int) -> Figures:
    """The same generator with no worker there to read: how much of it lies in Redis before the producer stops."""
    figures = Figures(n)
    with flowq.LocalCluster(slots=1, workers=1, imports=["benchmarks.nodes"]) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        given = [0]

        def items() -> Iterator[Any]:
            for given[0] in range(n):
                yield work.record(given[0])

        handle = nodes.Digest(queue="nobody", label="stream").submit(items())
        watch = Watch(cluster.workers[0].pid, cluster.workers[0].pid, redis)
        before, still_s = -1, 0.0
        while given[0] < n - 1 and still_s < 3.0:
            watch.look(figures)
            still_s = still_s + LOOK_EVERY_S if given[0] == before else 0.0
            before = given[0]
            time.sleep(LOOK_EVERY_S)
        figures.n = given[0] + 1
        handle.cancel()
    return figures


def report(figures: Figures) -> list[tuple[str, str, str]]:
    """What was measured, the figure, and what was promised."""
    return [
        ("items, each value checked", f"{figures.n:,}", ""),
        ("wrong or missing values", f"{figures.wrong:,}", "0"),
        ("seconds", f"{figures.seconds:.1f}", ""),
        (
            "first result after",
            f"{figures.first_result_s:.2f} s",
            f"< {figures.generator_ended_s:.1f} s (generator's end)",
        ),
        ("producer above idle", f"{figures.producer_bytes / MIB:.1f} MiB", "< 60 MiB"),
        ("worker above idle, all its processes", f"{figures.worker_bytes / MIB:.1f} MiB", ""),
        ("one process of the worker above idle", f"{figures.slot_bytes / MIB:.1f} MiB", ""),
        ("Redis above idle", f"{figures.redis_bytes / MIB:.1f} MiB", ""),
        ("input in Redis that nobody has begun", f"{figures.unread_bytes / MIB:.1f} MiB", "<= 64 MiB"),
        ("input in Redis, begun and not finished too", f"{figures.unfinished_bytes / MIB:.1f} MiB", ""),
    ]


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--produce"]:
        flowq.activate(flowq.connect(flowq.Settings(broker_url=arguments[1])))
        produce(int(arguments[2]))
        return
    n = int(arguments[0].replace("_", "")) if arguments else N
    for what, figure, promise in report(measure(n)):
        print(f"{what:45} {figure:>12}   {promise}")
    idle = unread_without_readers(n)
    print(f"{'without readers: items given before it stops':45} {idle.n:>12,}")
    print(f"{'without readers: input in Redis':45} {idle.unfinished_bytes / MIB:8.1f} MiB   <= 64 MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
