"""The Celery app of a team that accepts everything Celery does, compressed or not, with flowq beside its tasks."""

from __future__ import annotations

import os

from celery import Celery

import flowq
import tests.nodes  # noqa: F401  (the node classes its workers know)

URL = os.environ.get("TEAM_REDIS_URL", "redis://127.0.0.1:6379/0")

app = Celery("lenient", broker=URL, backend=URL, set_as_current=False)
app.conf.update(
    accept_content=["json", "pickle", "yaml"],
    task_serializer="json",
    result_serializer="json",
    task_compression="zlib",
    task_default_queue="lenient",
    worker_hijack_root_logger=False,
)


@app.task(name="lenient.size")
def size(text: str) -> int:
    """How long *text* is."""
    return len(text)


flowq.install(app)
