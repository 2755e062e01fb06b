"""flowq's tasks on Celery apps: each app has its own."""

from __future__ import annotations

from celery import Celery

from flowq.engine.app import CHUNK
from flowq.worker.tasks import add_tasks


def test_the_tasks_of_one_app_are_not_those_of_another_in_the_process() -> None:
    apps = [Celery(name, set_as_current=False) for name in ("one", "other")]
    for app in apps:
        add_tasks(app, object())
    found = [app.tasks[CHUNK] for app in apps]  # finalizes an app: with a warning where a name is taken already
    assert [task.app for task in found] == apps
    assert CHUNK not in Celery("third", set_as_current=False).tasks
