"""Plain Celery on its own Redis: its app and tasks, for the producer and for its worker. How they are used: beside it.

json, no events, results kept, a prefetch of 64 so that no slot waits for a message.
"""

from __future__ import annotations

from typing import Any

from celery import Celery

from benchmarks import work
from benchmarks.systems.by_hand import weigh_each

SETTING = "prefork, prefetch 64, no events, gossip or mingle, json, results in Redis"


def make(redis_url: str) -> Celery:
    """The app with all its tasks."""
    app = Celery("plain", broker=redis_url, backend=redis_url, set_as_current=False)
    app.conf.update(
        task_default_queue="plain",
        worker_prefetch_multiplier=64,
        worker_send_task_events=False,
        broker_connection_retry_on_startup=True,
        result_expires=600,
    )
    for function in (work.noop, work.burn, work.nap, work.turned, weigh_each):
        app.task(function, name=function.__name__)
    app.task(collect, name="collect")
    return app


def collect(values: list[Any]) -> list[Any]:
    """The body of a chord: what its header returned."""
    return values
