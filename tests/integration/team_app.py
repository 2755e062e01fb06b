"""The Celery app of a team that has tasks of its own, speaks json, and has put flowq beside them."""

from __future__ import annotations

import os

from celery import Celery

import flowq
import tests.nodes  # noqa: F401  (the node classes its workers know)

URL = os.environ.get("TEAM_REDIS_URL", "redis://127.0.0.1:6379/0")

app = Celery("team", broker=URL, backend=URL, set_as_current=False)
app.conf.update(
    task_serializer="json",
    result_serializer="json",
    accept_content=["json"],
    task_default_queue="team",
    worker_hijack_root_logger=False,
)


@app.task(name="team.add")
def add(x: int, y: int) -> int:
    return x + y


flowq.install(app)
