"""RQ: two SimpleWorkers, which run a job without forking a process for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from redis import Redis
from rq import Queue, Worker
from rq.job import Job

from benchmarks.systems.by_hand import ByHand, functions
from benchmarks.systems.processes import Processes
from benchmarks.systems.system import CannotRun

CHUNKS_A_SLOT = 2
TIMEOUT_S = 900
# Jobs in one pipeline to Redis.
PIPELINE_JOBS = 1000


class Rq(ByHand):
    name: ClassVar[str] = "RQ"
    setting: ClassVar[str] = (
        "2 SimpleWorkers (no fork a job), quiet, pickle, enqueue_many by the thousand, waits by a blocking XREAD of "
        f"each job's result; by hand: {CHUNKS_A_SLOT} chunks a slot; store in one message a slot"
    )
    chunks_a_slot: ClassVar[int] = CHUNKS_A_SLOT

    def start(self, redis_url: str, slots: int) -> None:
        self._slots, self._processes = slots, Processes()
        self._queue = Queue("items", connection=Redis.from_url(redis_url, socket_timeout=None))
        for _ in range(slots):
            self._processes.start_module(
                "rq.cli", "worker", "--url", redis_url, "--worker-class", "rq.SimpleWorker", "--quiet", "items"
            )
        # Jobs would be done as soon as the first of them is there.
        self._processes.await_ready(lambda: Worker.count(queue=self._queue) == slots)
        self.map("noop", range(10 * slots))

    def stop(self) -> None:
        self._processes.stop()

    def run(self, task: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        function = functions()[task]
        path = f"{function.__module__}.{task}"
        # A description of its own: else RQ makes one of all the arguments.
        datas = [Queue.prepare_data(path, call, description=task, timeout=TIMEOUT_S) for call in calls]
        jobs: list[Job] = []
        for start in range(0, len(datas), PIPELINE_JOBS):
            jobs += self._queue.enqueue_many(datas[start : start + PIPELINE_JOBS])
        return [self._value(job) for job in jobs]

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        raise CannotRun("a worker runs one job at a time, async or not")

    def _value(self, job: Job) -> Any:
        result = job.latest_result(timeout=TIMEOUT_S)
        if result is None or result.type is not result.Type.SUCCESSFUL:
            raise RuntimeError(f"job {job.id} of RQ did not succeed: {result and result.exc_string}")
        return result.return_value
