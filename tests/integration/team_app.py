"""The Celery app of a team that has tasks of its own, speaks json, and has put flowq beside them."""

from __future__ import annotations

import os

from celery import Celery

import flowq
from tests import nodes  # the node classes its workers know

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


@app.task(name="team.begin")
def begin(n: int) -> str:
    """What a chord's caller does: begin a batch, and say where it is to be found."""
    return nodes.Square().submit(range(n), key=f"begin-{n}").id


@app.task(name="team.squares")
def squares(n: int) -> list[int]:
    return list(nodes.Square().map(range(n), label="mapped in a task"))


flowq.install(app)
if os.environ.get("TEAM_ACTIVATES"):
    flowq.activate(flowq.connect(app=app))
