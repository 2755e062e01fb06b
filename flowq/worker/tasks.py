"""flowq's Celery tasks: they call the engine and hold no logic. Messages are checked before that, in strategy.py."""

from __future__ import annotations

from typing import Any

from celery import Celery

from flowq.engine.app import CHUNK, FINISH, FOLD, RUN_FLOW
from flowq.engine.running.aggregate import run_finish, run_fold
from flowq.engine.running.chunk_task import run_chunk
from flowq.worker.bodies import chunk_objection, finish_objection, fold_objection, run_flow_objection
from flowq.worker.scheduled import begin, lacking


class Said:
    """A result that is not stored, as logs and Flower show it: without the quotes of a string."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def add_tasks(app: Celery, room: Any) -> None:
    """Add flowq's tasks to *app*.

    Args:
        room: its ``slot()`` is the Slot of the task's process; ``at_work()`` is entered while code of items runs.
    """
    common: dict[str, Any] = {
        "Strategy": "flowq.worker.strategy:careful",
        "serializer": "flowq",
        "acks_late": True,
        "reject_on_worker_lost": True,
        "typing": False,
        "max_retries": 0,
        "shared": False,  # or Celery would add them to every app of the process
    }

    @app.task(name=CHUNK, takes=staticmethod(chunk_objection), ignore_result=True, bind=True, **common)
    def chunk(task: Any, batch_id: str, chunk_id: str) -> Said:
        with room.at_work():
            return Said(run_chunk(room.slot(), batch_id, chunk_id, again=bool(task.request.retries)))

    @app.task(name=FOLD, takes=staticmethod(fold_objection), ignore_result=False, **common)
    def fold_segment(batch_id: str, gen: int, start: int, stop: int) -> str:
        with room.at_work():
            return run_fold(room.slot(), batch_id, gen, (start, stop))

    @app.task(name=FINISH, takes=staticmethod(finish_objection), ignore_result=True, **common)
    def finish_batch(batch_id: str, gen: int, segments: list[tuple[int, int]]) -> Said:
        with room.at_work():
            return Said(run_finish(room.slot(), batch_id, gen, segments))

    @app.task(
        name=RUN_FLOW,
        takes=staticmethod(run_flow_objection),
        lacking=staticmethod(lacking),
        ignore_result=True,
        **common,
    )
    def run_flow(spec: bytes, store: bytes, key: str, moment: int) -> Said:
        return Said(begin(room.executor(), spec, store, key, moment).id)
