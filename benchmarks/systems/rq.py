"""RQ: two SimpleWorkers, which run a job without forking a process for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from redis import Redis
from rq import Queue, Worker
from rq.job import Job

from benchmarks.systems import by_hand
from benchmarks.systems.processes import Processes
from benchmarks.systems.system import CannotRun, System

CHUNKS_A_SLOT = 4
TIMEOUT_S = 900
# Jobs in one pipeline to Redis.
PIPELINE_JOBS = 1000


class Rq(System):
    name: ClassVar[str] = "RQ"
    setting: ClassVar[str] = (
        "2 SimpleWorkers (no fork a job), quiet, pickle, enqueue_many by the thousand, waits by a blocking XREAD of "
        f"each job's result; by hand: {CHUNKS_A_SLOT} chunks a slot; store in one message a slot"
    )

    def __init__(self) -> None:
        self._processes = Processes()

    def start(self, redis_url: str, slots: int) -> None:
        self._slots = slots
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

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._run(f"benchmarks.work.{function}", [(item,) for item in items])

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._in_chunks("each", function, items, CHUNKS_A_SLOT)

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        raise CannotRun("a worker runs one job at a time, async or not")

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        return self._in_chunks("weigh_each", store, items, 1)

    def _in_chunks(self, task: str, first: str, items: Sequence[Any], a_slot: int) -> list[Any]:
        chunks = by_hand.cut(items, a_slot * self._slots)
        return by_hand.join(self._run(f"benchmarks.systems.by_hand.{task}", [(first, chunk) for chunk in chunks]))

    def _run(self, function: str, arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
        # A description of its own: else RQ makes one of all the arguments.
        datas = [Queue.prepare_data(function, one, description=function, timeout=TIMEOUT_S) for one in arguments]
        jobs: list[Job] = []
        for start in range(0, len(datas), PIPELINE_JOBS):
            jobs += self._queue.enqueue_many(datas[start : start + PIPELINE_JOBS])
        return [self._value(job) for job in jobs]

    def _value(self, job: Job) -> Any:
        result = job.latest_result(timeout=TIMEOUT_S)
        if result is None or result.type is not result.Type.SUCCESSFUL:
            raise RuntimeError(f"job {job.id} of RQ did not succeed: {result and result.exc_string}")
        return result.return_value
