"""dramatiq: a group of messages over Redis, two processes of one thread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, ClassVar

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.encoder import PickleEncoder
from dramatiq.middleware import AsyncIO
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend
from redis import Redis

from benchmarks.systems import by_hand
from benchmarks.systems.by_hand import ByHand
from benchmarks.systems.processes import Processes

REDIS_URL = "BENCH_DRAMATIQ_REDIS_URL"
# How long an idle worker sleeps at most before it looks again; dramatiq's own value is 1,000.
IDLE_MS = 10
# Messages a process takes ahead; with dramatiq's own 2 its consumer sleeps between no-ops and does 540 a second.
PREFETCH = 16
TIMEOUT_MS = 900_000
# Its threads take seconds to end, and have nothing to lose.
GRACE_S = 0.2
# As many as a process takes ahead: with fewer, the one that looks first takes them all. Items that do nothing are done
# the sooner for it.
CHUNKS_A_SLOT, NOOP_CHUNKS_A_SLOT = PREFETCH, 2
# Awaits in flight in one process.
AWAITS = 1000


def broker_of(redis_url: str) -> RedisBroker:
    """The broker with all actors, the same in the program and in its workers."""
    dramatiq.set_encoder(PickleEncoder())
    # By default redis-py ends a wait for a result after some seconds, and has fewer connections than these threads use.
    client: Redis = Redis.from_url(redis_url, socket_timeout=None, max_connections=2 * AWAITS)
    broker = RedisBroker(client=client)
    broker.add_middleware(Results(backend=RedisBackend(client=client), store_results=True))
    broker.add_middleware(AsyncIO())
    for function in by_hand.functions().values():
        dramatiq.actor(function, broker=broker, queue_name="items")
    dramatiq.actor(by_hand.nap_within, broker=broker, queue_name="awaits")
    return broker


def serve() -> None:
    """What ``dramatiq benchmarks.systems.dramatiq:serve`` calls in each worker process."""
    dramatiq.set_broker(broker_of(os.environ[REDIS_URL]))


class Dramatiq(ByHand):
    name: ClassVar[str] = "dramatiq"
    setting: ClassVar[str] = (
        f"group over Redis, 2 processes × 1 thread, pickle, results in Redis, {PREFETCH} prefetched, idle workers look "
        f"every {IDLE_MS} ms; waits by BRPOPLPUSH; by hand: {CHUNKS_A_SLOT} chunks a slot, of no-ops "
        f"{NOOP_CHUNKS_A_SLOT}; async: AsyncIO middleware, 2 processes × {AWAITS:,} threads, a semaphore where fewer "
        "are to be in flight; store in one message a slot"
    )
    # Workers that look so often for messages.
    costs_idle: ClassVar[bool] = True

    chunks_a_slot: ClassVar[int] = CHUNKS_A_SLOT

    def start(self, redis_url: str, slots: int) -> None:
        self._redis_url, self._slots = redis_url, slots
        self._items, self._awaits = Processes(), Processes()
        self._broker = broker_of(redis_url)
        self._work(self._items, "items", 1, IDLE_MS)
        self._work(self._awaits, "awaits", AWAITS, 1000)
        self._items.await_ready(lambda: self.map("noop", range(10 * slots)))
        self._awaits.await_ready(lambda: self._naps([0.0] * 10 * slots, AWAITS))

    def stop(self) -> None:
        self._items.stop(GRACE_S)
        self._awaits.stop(GRACE_S)

    def run(self, task: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        actor = self._broker.get_actor(task)
        group = dramatiq.group([actor.message(*call) for call in calls], broker=self._broker).run()
        return list(group.get_results(block=True, timeout=TIMEOUT_MS))

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self.in_chunks(function, items, NOOP_CHUNKS_A_SLOT if function == "noop" else CHUNKS_A_SLOT)

    def one(self, item: int) -> Any:
        message = self._broker.get_actor("noop").send(item)
        return message.get_result(backend=self._broker.get_results_backend(), block=True, timeout=TIMEOUT_MS)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        self._naps(seconds, in_flight // self._slots)

    def _naps(self, seconds: Sequence[float], at_once: int) -> list[Any]:
        return self.run("nap_within", [(one, at_once) for one in seconds])

    def _work(self, processes: Processes, queue: str, threads: int, idle_ms: int) -> None:
        processes.start_module(
            "dramatiq", "benchmarks.systems.dramatiq:serve", "--queues", queue, "--skip-logging",
            "--processes", str(self._slots), "--threads", str(threads),
            env={
                REDIS_URL: self._redis_url,
                "dramatiq_worker_timeout": str(idle_ms), "dramatiq_queue_prefetch": str(max(PREFETCH, threads)),
            },
        )  # fmt: skip
