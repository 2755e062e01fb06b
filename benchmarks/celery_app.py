"""Plain Celery on the same Redis: one task an item in a chord, ``chunks`` of 100, one task and back.

Its best sensible settings: json, no events, results kept, a prefetch of 64 so that no slot waits for a message.
"""

from __future__ import annotations

import os
import time
from typing import Any

from celery import Celery, chord, group

from benchmarks import work

POLL_S = 0.005

app = Celery("plain", broker=os.environ["BENCH_BROKER_URL"], backend=os.environ["BENCH_BACKEND_URL"])
app.conf.update(
    task_default_queue="plain",
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    broker_connection_retry_on_startup=True,
    result_expires=600,
)


@app.task
def noop(item: int) -> int:
    return work.noop(item)


@app.task
def collect(values: list[int]) -> int:
    return len(values)


@app.task
def weigh(context: str, n: int) -> int:
    return len(context) + n


def run_chord(n: int) -> int:
    """One task an item and a callback; waited on well (a naive ``get()`` looks at all children at every event)."""
    result = chord(group(noop.s(item) for item in range(n)))(collect.s())
    return int(result.get(follow_parents=False, interval=POLL_S, timeout=900))


def run_chunks(n: int, size: int = 100) -> int:
    """Celery's own ``chunks``, polled at 5 ms."""
    result = noop.chunks(zip(range(n), strict=True), size).apply_async()
    ids = [one.id for one in result.results]
    backend = app.backend
    waiting = set(ids)
    while waiting:
        done = backend.client.mget([backend.get_key_for_task(one) for one in waiting])
        waiting = {one for one, value in zip(list(waiting), done, strict=True) if value is None}
        if waiting:
            time.sleep(POLL_S)
    return n


def run_single() -> int:
    """One task and back."""
    return int(noop.delay(1).get(timeout=60))


def run_weigh(context: str, n: int) -> int:
    """A chord that carries the store in every task."""
    result: Any = chord(group(weigh.s(context, item) for item in range(n)))(collect.s())
    return int(result.get(follow_parents=False, interval=POLL_S, timeout=900))
