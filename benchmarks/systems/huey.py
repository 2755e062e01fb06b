"""huey over Redis: a consumer with two processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from huey import RedisHuey
from huey.api import TaskWrapper

from benchmarks.systems import by_hand
from benchmarks.systems.processes import Processes
from benchmarks.systems.system import CannotRun, System

CHUNKS_A_SLOT = 4
TIMEOUT_S = 900


def tasks_of(redis_url: str) -> tuple[RedisHuey, dict[str, TaskWrapper]]:
    """The queue and all its tasks by name, the same in the program and in its workers."""
    huey = RedisHuey("bench", url=redis_url, notify_result=True)
    functions = {**by_hand.functions(), "each": by_hand.each, "weigh_each": by_hand.weigh_each}
    return huey, {name: huey.task()(function) for name, function in functions.items()}


class Huey(System):
    name: ClassVar[str] = "huey"
    setting: ClassVar[str] = (
        "RedisHuey, 2 processes, no scheduler of periodic tasks, pickle, notify_result: waits by BLPOP; "
        f"by hand: {CHUNKS_A_SLOT} chunks a slot; store in one message a slot"
    )

    def __init__(self) -> None:
        self._processes = Processes()

    def start(self, redis_url: str, slots: int) -> None:
        self._slots = slots
        _, self._tasks = tasks_of(redis_url)
        self._processes.start_module("benchmarks.systems.huey", redis_url, str(slots))
        self._processes.await_ready(lambda: self.map("noop", range(10 * slots)))

    def stop(self) -> None:
        self._processes.stop()

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        task = self._tasks[function]
        results = [task(item) for item in items]
        return [result.get(blocking=True, timeout=TIMEOUT_S) for result in results]

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._in_chunks("each", function, items, CHUNKS_A_SLOT)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        raise CannotRun("huey refuses async functions")

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        return self._in_chunks("weigh_each", store, items, 1)

    def _in_chunks(self, task: str, first: str, items: Sequence[Any], a_slot: int) -> list[Any]:
        results = [self._tasks[task](first, chunk) for chunk in by_hand.cut(items, a_slot * self._slots)]
        return by_hand.join([result.get(blocking=True, timeout=TIMEOUT_S) for result in results])


if __name__ == "__main__":
    queue, _ = tasks_of(sys.argv[1])
    queue.create_consumer(workers=int(sys.argv[2]), worker_type="process", periodic=False).run()
