"""flowq's Celery tasks: decode → engine, no logic. They take flowq's own content type and refuse every other."""

from __future__ import annotations

from typing import Any

from celery import Celery
from celery.exceptions import InvalidTaskError
from celery.worker.request import Request

from flowq.codec import CONTENT_TYPE
from flowq.engine.aggregate import AGGREGATE, finish, fold
from flowq.engine.app import CHUNK, FINISH, FOLD
from flowq.engine.run import rules_of, run_chunk
from flowq.engine.slot import Slot


class FlowqRequest(Request):
    """A request whose body is flowq's own encoding."""

    def __init__(self, message: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(message, *args, **kwargs)
        if self.content_type != CONTENT_TYPE:
            raise InvalidTaskError(f"{self.name} takes {CONTENT_TYPE}, not {self.content_type}")


def add_tasks(app: Celery, room: Any) -> None:
    """Put flowq's tasks on *app*. ``room.slot()`` is the Slot of the process a task runs in."""
    common: dict[str, Any] = {
        "Request": "flowq.worker.tasks:FlowqRequest",
        "serializer": "flowq",
        "acks_late": True,
        "reject_on_worker_lost": True,
        "typing": False,
        "max_retries": 0,
    }

    @app.task(name=CHUNK, ignore_result=True, **common)
    def chunk(batch_id: str, chunk_id: str) -> str:
        return run_chunk(room.slot(), batch_id, chunk_id)

    @app.task(name=FOLD, ignore_result=False, **common)
    def fold_segment(batch_id: str, gen: int, start: int, stop: int) -> str:
        slot: Slot = room.slot()
        with slot.holding(batch_id, AGGREGATE):
            return fold(slot.connections, slot.headers.get(batch_id), gen, (start, stop), rules_of(slot, batch_id))

    @app.task(name=FINISH, ignore_result=True, **common)
    def finish_batch(batch_id: str, gen: int, segments: list[tuple[int, int]]) -> str:
        slot: Slot = room.slot()
        with slot.holding(batch_id, AGGREGATE):
            header = slot.headers.get(batch_id)
            return finish(slot.connections, header, gen, segments, rules_of(slot, batch_id))
