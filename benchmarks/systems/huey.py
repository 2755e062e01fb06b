"""huey over Redis: a consumer with two processes."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from huey import RedisHuey
from huey.api import TaskWrapper

from benchmarks.systems.by_hand import ByHand, functions
from benchmarks.systems.processes import Processes
from benchmarks.systems.system import CannotRun

CHUNKS_A_SLOT = 2
TIMEOUT_S = 900


def tasks_of(redis_url: str) -> tuple[RedisHuey, dict[str, TaskWrapper]]:
    """The queue and all its tasks by name, the same in the program and in its workers."""
    huey = RedisHuey("bench", url=redis_url, notify_result=True)
    return huey, {name: huey.task()(function) for name, function in functions().items()}


class Huey(ByHand):
    name: ClassVar[str] = "huey"
    setting: ClassVar[str] = (
        "RedisHuey, 2 processes, no scheduler of periodic tasks, pickle, notify_result: waits by BLPOP; "
        f"by hand: {CHUNKS_A_SLOT} chunks a slot; store in one message a slot"
    )
    chunks_a_slot: ClassVar[int] = CHUNKS_A_SLOT

    def start(self, redis_url: str, slots: int) -> None:
        self._slots, self._processes = slots, Processes()
        _, self._tasks = tasks_of(redis_url)
        self._processes.start_module("benchmarks.systems.huey", redis_url, str(slots))
        self._processes.await_ready(lambda: self.map("noop", range(10 * slots)))

    def stop(self) -> None:
        self._processes.stop()

    def run(self, task: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        results = [self._tasks[task](*call) for call in calls]
        return [result.get(blocking=True, timeout=TIMEOUT_S) for result in results]

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        raise CannotRun("huey refuses async functions")


if __name__ == "__main__":
    queue, _ = tasks_of(sys.argv[1])
    queue.create_consumer(workers=int(sys.argv[2]), worker_type="process", periodic=False).run()
