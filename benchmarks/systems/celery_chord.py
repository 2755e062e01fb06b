"""Plain Celery's chord: one task an item and a callback that gets all values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from celery import Celery, chord

from benchmarks.systems import by_hand, celery_app
from benchmarks.systems.processes import Processes
from benchmarks.systems.system import System

POLL_S = 0.005
WAIT_S = 600.0


class CeleryChord(System):
    name: ClassVar[str] = "Celery chord"
    # A naive get() looks at all children at every event.
    setting: ClassVar[str] = (
        f"{celery_app.SETTING}; waited for with `get(follow_parents=False, interval=0.005)`; "
        "store in one message a slot"
    )

    def __init__(self) -> None:
        self._app: Celery | None = None
        self._processes: Processes | None = None

    def start(self, redis_url: str, slots: int) -> None:
        self._app, self._slots = celery_app.make(redis_url), slots
        self._processes = Processes()
        self._processes.start_module(
            "celery", "-A", "benchmarks.systems.celery_worker", "worker", "-c", str(slots), "-l", "ERROR",
            "--without-gossip", "--without-mingle", "--without-heartbeat",
            env={"BENCH_REDIS_URL": redis_url},
        )  # fmt: skip
        # A message waits in the queue until the worker is there.
        assert self.one(1) == 1
        self.map("noop", range(100))

    def stop(self) -> None:
        if self._processes is not None:
            self._processes.stop()
        if self._app is not None:
            self._app.close()

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        return self._chord(function, [(item,) for item in items])

    def one(self, item: int) -> Any:
        return self._task("noop").delay(item).get(timeout=WAIT_S)

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        return by_hand.join(self._chord("weigh_each", [(store, chunk) for chunk in by_hand.cut(items, self._slots)]))

    def _chord(self, function: str, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        task = self._task(function)
        waited = chord([task.s(*call) for call in calls], app=self._app)(self._task("collect").s())
        values: list[Any] = waited.get(follow_parents=False, interval=POLL_S, timeout=WAIT_S)
        return values

    def _task(self, function: str) -> Any:
        assert self._app is not None
        return self._app.tasks[function]
