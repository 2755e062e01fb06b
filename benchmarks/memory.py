"""``python -m benchmarks.memory [N]``: a million items in several ways, with everybody's memory watched meanwhile.

A producer of its own process submits the items and checks every result. This process looks at everybody's memory 20
times a second, and at Redis'. What a case holds by its nature is made before the idle level is taken (a list of items)
or taken off (the list of results, by sys.getsizeof of it and of its values). Never here: comparisons (see __main__).
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil
from redis import Redis

import flowq
from benchmarks import nodes, work
from benchmarks.comparison import Cell, Comparison
from benchmarks.own import keep

MIB = 2**20
ROOT = Path(__file__).resolve().parents[1]
N = 1_000_000
LOOK_EVERY_S = 0.05
MOST_S = 250.0
SLOTS = 2
BAR_BYTES = 100 * MIB
WARM = 20_000


@dataclass
class Figures:
    """What one run came to; memory in bytes above the idle level, at its highest."""

    n: int
    seconds: float = 0.0
    first_result_s: float = 0.0
    generator_ended_s: float = 0.0
    wrong: int = 0
    own_bytes: int = 0
    producer_bytes: int = 0
    slot_bytes: int = 0
    main_bytes: int = 0
    redis_bytes: int = 0
    unread_bytes: int = 0
    looks: int = field(default=0)


# -- the producer ------------------------------------------------------------------------------------------------------


def streamed(items: Any, figures: Figures) -> None:
    """Results read in item order, and freed as they are."""
    began, read = time.monotonic(), 0

    def given() -> Iterator[Any]:
        yield from items
        figures.generator_ended_s = time.monotonic() - began

    for read, value in enumerate(nodes.Digest(label="stream").submit(given()).results(free=True), 1):
        if read == 1:
            figures.first_result_s = time.monotonic() - began
        figures.wrong += value != work.digest(work.record(read - 1))
    figures.wrong += abs(figures.n - read)


def kept(items: Any, figures: Figures) -> None:
    """All results at once, as a list."""
    result = nodes.Noop().map(items)
    figures.wrong = sum(value != number for number, value in enumerate(result)) + abs(figures.n - len(result))
    figures.own_bytes = sys.getsizeof(result) + sum(map(sys.getsizeof, result))


def reduced(items: Any, figures: Figures) -> None:
    """One value, which processes and folds have added up."""
    figures.wrong = int(nodes.Total(initial=0, associative=True).reduce(items) != sum(range(figures.n)))


def tallied(_: Any, figures: Figures) -> None:
    """A change of the store by each item, merged by the aggregator."""
    shared: dict[str, Any] = {"count": figures.n}
    nodes.TallyFlow(nodes.Tally(), merge={"sum": "Add"}).run(shared)
    figures.wrong = int(shared["sum"] != sum(range(figures.n)))


def records(n: int) -> Iterator[Any]:
    return (work.record(number) for number in range(n))


CASES: dict[str, tuple[str, Callable[[int], Any], Callable[[Any, Figures], None]]] = {
    "streamed": ("generator, 130 bytes each, results read and freed", records, streamed),
    "range": ("range, results kept", range, kept),
    "list": ("list, results kept", lambda n: list(range(n)), kept),
    "reduced": ("generator, reduced to one value", lambda n: (number for number in range(n)), reduced),
    "tallied": ("BatchFlow, each item changes the store", lambda n: None, tallied),
}


def produce(case: str, n: int) -> None:
    """The producer: says when it is ready, begins when told to, and says how it went."""
    _, make, run = CASES[case]
    run(make(WARM), Figures(WARM))
    items = make(n)
    print("ready", flush=True)
    sys.stdin.readline()
    figures, began = Figures(n), time.monotonic()
    run(items, figures)
    figures.seconds = time.monotonic() - began
    print(json.dumps(asdict(figures)), flush=True)


# -- who watches it ----------------------------------------------------------------------------------------------------


class Watch:
    """Looks at the memory of everybody who has a part in it."""

    def __init__(self, producer: int, worker: int, redis: Redis) -> None:
        self._producer, self._worker, self._redis = psutil.Process(producer), psutil.Process(worker), redis
        self._idle = self._levels()

    def _levels(self) -> tuple[int, int, list[int], int]:
        memory: Any = self._redis.info("memory")
        children = [own_bytes(one) for one in self._worker.children()]
        return own_bytes(self._producer), own_bytes(self._worker), children, int(memory["used_memory"])

    def look(self, figures: Figures) -> None:
        """Keep what is higher than ever before."""
        producer, main, slots, redis = self._levels()
        was_producer, was_main, was_slots, was_redis = self._idle
        figures.looks += 1
        figures.producer_bytes = max(figures.producer_bytes, producer - was_producer)
        figures.main_bytes = max(figures.main_bytes, main - was_main)
        grown = [now - was for now, was in zip(slots, was_slots, strict=False)]
        figures.slot_bytes = max(figures.slot_bytes, *grown)
        figures.redis_bytes = max(figures.redis_bytes, redis - was_redis)
        figures.unread_bytes = max(figures.unread_bytes, self._unread())

    def _unread(self) -> int:
        """Bytes of the pages that nobody has begun to read."""
        unread = 0
        for key in self._redis.scan_iter("*:{stream-*}:pages"):
            total = int(self._redis.memory_usage(key, samples=0) or 0)
            cur = int(self._redis.hget(key.replace(b":pages", b":meta"), "cur") or 0)
            firsts = [int(first) for first in self._redis.hkeys(key)]
            unread += total * sum(first >= cur for first in firsts) // max(1, len(firsts))
        return unread


def own_bytes(process: psutil.Process) -> int:
    """Memory of a process, without what a fork shares with its parent where the system tells."""
    return int(process.memory_full_info().uss)


def measure(case: str, n: int) -> Figures:
    """Run it on a private Redis and one worker with two slots."""
    with flowq.LocalCluster(slots=SLOTS, workers=1, imports=["benchmarks.nodes"]) as cluster:
        redis = Redis.from_url(cluster.redis.redis_url)
        command = [sys.executable, "-m", "benchmarks.memory", "--produce", cluster.broker_url, case, str(n)]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as producer:
            assert producer.stdin is not None
            assert producer.stdout is not None
            assert producer.stdout.readline() == "ready\n"
            watched, watch = Figures(n), Watch(producer.pid, cluster.workers[0].pid, redis)
            producer.stdin.write("go\n")
            producer.stdin.flush()
            while producer.poll() is None:
                try:
                    watch.look(watched)
                except psutil.Error:  # it has just ended
                    break
                time.sleep(LOOK_EVERY_S)
                if watched.looks * LOOK_EVERY_S > MOST_S:
                    producer.kill()
            told = Figures(**json.loads(producer.stdout.readline()))
    watched.seconds, watched.first_result_s, watched.wrong = told.seconds, told.first_result_s, told.wrong
    watched.own_bytes, watched.generator_ended_s = told.own_bytes, told.generator_ended_s
    watched.producer_bytes -= told.own_bytes
    return watched


def compared(case: str, one: Figures) -> Iterator[Comparison]:
    """What each of the processes came to, and Redis, which has no bar."""
    if one.wrong:
        raise AssertionError(f"{case}: {one.wrong:,} of {one.n:,} values are wrong or missing")
    what = CASES[case][0] + (f" ({one.own_bytes / MIB:.0f} MiB of results taken off)" if one.own_bytes else "")
    for who, size in (("producer", one.producer_bytes), ("slot or aggregator", one.slot_bytes),
                      ("worker's main process", one.main_bytes), ("Redis", one.redis_bytes)):  # fmt: skip
        yield Comparison(
            "memory", f"{one.n:,} items: {what}: {who} above idle", "nobody", f"{case}, {who}", name="–", unit="MiB",
            flowq=Cell("flowq", (size / MIB,)), limit=None if who == "Redis" else BAR_BYTES / MIB,
        )  # fmt: skip


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--produce"]:
        flowq.activate(flowq.connect(flowq.Settings(broker_url=arguments[1])))
        produce(arguments[2], int(arguments[3]))
        return
    n = int(arguments[0].replace("_", "")) if arguments else N
    keep("memory", (one for case in arguments[1:] or CASES for one in compared(case, measure(case, n))))


if __name__ == "__main__":
    main(sys.argv[1:])
