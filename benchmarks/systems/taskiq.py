"""taskiq over Redis: two worker processes that run one item at a time, and two that await many."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, ClassVar

from taskiq import AsyncBroker, AsyncTaskiqTask
from taskiq.kicker import AsyncKicker
from taskiq.serializers import PickleSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from benchmarks.systems import by_hand
from benchmarks.systems.by_hand import ByHand
from benchmarks.systems.processes import Processes

REDIS_URL, QUEUE = "BENCH_TASKIQ_REDIS_URL", "BENCH_TASKIQ_QUEUE"
CHUNKS_A_SLOT = 2
PREFETCH = 4
# Of one result that is not there yet.
POLL_S = 0.002
TIMEOUT_S = 900.0
# Its workers wait for messages for five seconds before they end, and have nothing to lose.
GRACE_S = 0.5
# Kicked at a time, each over a connection of its own.
KICKS = 16


def broker_of(redis_url: str, queue: str) -> AsyncBroker:
    """The broker of one queue: for the program, which calls tasks by their names, and for its workers."""
    results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(
        redis_url, keep_results=False, result_ex_time=600, socket_timeout=None
    )
    # redis-py has a timeout by default, which ends the BRPOP of a worker that has nothing to do.
    broker = ListQueueBroker(redis_url, queue_name=queue, socket_timeout=None).with_result_backend(results)
    broker.with_serializer(PickleSerializer())
    return broker


def serve() -> AsyncBroker:
    """What ``taskiq worker benchmarks.systems.taskiq:serve`` calls in each worker process."""
    broker = broker_of(os.environ[REDIS_URL], os.environ[QUEUE])
    # Only here: taskiq gives a function that it registers another name, and who pickles it by that finds none.
    for function in (*by_hand.functions().values(), by_hand.nap_async):
        broker.register_task(function, task_name=function.__name__)
    return broker


class Taskiq(ByHand):
    name: ClassVar[str] = "taskiq"
    setting: ClassVar[str] = (
        f"ListQueueBroker, 2 processes, one item at a time on a thread and {PREFETCH} prefetched, pickle, --no-parse, "
        f"results in Redis polled in order every {POLL_S * 1000:g} ms; by hand: {CHUNKS_A_SLOT} chunks a slot; "
        "async: max-async-tasks as many as in flight; store in one message a slot"
    )

    chunks_a_slot: ClassVar[int] = CHUNKS_A_SLOT

    def __init__(self) -> None:
        super().__init__()
        self._items, self._awaits, self._in_flight = Processes(), Processes(), 0
        self._loop: asyncio.Runner | None = None
        self._brokers: dict[str, AsyncBroker] = {}

    def start(self, redis_url: str, slots: int) -> None:
        self._redis_url, self._slots, self._loop = redis_url, slots, asyncio.Runner()
        for queue in ("items", "awaits"):
            self._brokers[queue] = broker_of(redis_url, queue)
            self._loop.run(self._brokers[queue].startup())
        self._work(self._items, "items", 1, PREFETCH)
        self._items.await_ready(lambda: self.map("noop", range(10 * slots)))

    def stop(self) -> None:
        self._items.stop(GRACE_S)
        self._awaits.stop(GRACE_S)
        if self._loop is not None:
            for broker in self._brokers.values():
                self._loop.run(broker.shutdown())
            self._loop.close()
            self._loop = None

    def run(self, task: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        return self._run("items", task, calls)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        if self._in_flight != in_flight:
            self._awaits.stop(GRACE_S)
            self._awaits, self._in_flight = Processes(), in_flight
            self._work(self._awaits, "awaits", in_flight // self._slots, PREFETCH)
            self._awaits.await_ready(lambda: self._run("awaits", "nap_async", [(0.0,)] * in_flight))
        self._run("awaits", "nap_async", [(one,) for one in seconds])

    def _run(self, queue: str, task: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        assert self._loop is not None
        return self._loop.run(_values(lambda *one: _kicker(self._brokers[queue], task).kiq(*one), arguments))

    def _work(self, processes: Processes, queue: str, at_once: int, prefetch: int) -> None:
        processes.start_module(
            "taskiq", "worker", "benchmarks.systems.taskiq:serve", "--log-level", "WARNING", "--no-parse",
            "--workers", str(self._slots), "--max-threadpool-threads", "1",
            "--max-async-tasks", str(at_once), "--max-prefetch", str(prefetch),
            env={REDIS_URL: self._redis_url, QUEUE: queue},
        )  # fmt: skip


def _kicker(broker: AsyncBroker, task: str) -> AsyncKicker[Any, Any]:
    return AsyncKicker(task_name=task, broker=broker, labels={})


async def _values(
    kick: Callable[..., Awaitable[AsyncTaskiqTask[Any]]], arguments: Sequence[tuple[Any, ...]]
) -> list[Any]:
    """Kick a task for each, then wait for one after the other; most are there by the time they are asked for."""
    kicked: list[AsyncTaskiqTask[Any]] = []
    for start in range(0, len(arguments), KICKS):
        kicked += await asyncio.gather(*(kick(*one) for one in arguments[start : start + KICKS]))
    values = []
    for task in kicked:
        result = await task.wait_result(check_interval=POLL_S, timeout=TIMEOUT_S)
        result.raise_for_error()
        values.append(result.return_value)
    return values
