"""Messages that this worker cannot run but another may: tasks of a newer flowq, and scheduled flows with classes that
it has not imported. They are kept until a worker comes that can.

Celery drops a message whose task it does not know. The ledger would publish chunks and aggregations again, but not
tasks of a later release, nor a flow that beat has sent and that is not in the ledger yet.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from celery import Celery

from flowq.engine.app import queue_list, queue_lists
from flowq.engine.fleet.later import Later, is_ours
from flowq.engine.keys import Keys
from flowq.engine.redis_client import make_client
from flowq.registry import is_known_name
from flowq.settings import Settings
from flowq.worker.refusals import told

log = logging.getLogger("flowq.unknown")


class UnknownTasks:
    """Keeps and releases such messages, in the main process of one worker."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._later: Later | None = None

    def keep(self, message: Any, lacks: str = "") -> str | None:
        """Keep a message that this worker cannot run; returns None, or why not: not flowq's, or no room.

        Args:
            message: as delivered by kombu's Redis transport.
            lacks: name of the class that its task needs and this worker does not know; "": the task itself.
        """
        task, queue = message.headers.get("task"), message.delivery_info.get("routing_key")
        if not is_ours(task):
            return f"this worker does not know the task {told(task)}"
        if queue not in self._app.amqp.queues.consume_from:
            return f"it says that it comes from {told(queue)}, which this worker does not consume"
        channel = message.channel
        lay_in = channel._q_for_pri(queue, channel._get_message_priority(message._raw))
        objection = self._kept().keep(lay_in, _named(task, lacks), json.dumps(message._raw).encode())
        if objection is None and lacks:
            log.warning("a scheduled flow is kept for a worker that knows %s", lacks, extra={"queue": queue})
        elif objection is None:
            log.warning("a task is kept for a newer flowq: %s", task, extra={"queue": queue})
        return objection

    def release(self) -> None:
        """Put back messages that another worker kept and this one can run; called with every beat.

        Redelivery: a worker that gets one back without knowing it keeps it again. So a message circulates once per
        beat at most, and Redis gives it to the worker that has waited longest.
        """
        moved = self._kept().release(self._lists(), _Known(self._app))
        if moved:
            log.warning("%d tasks that another worker kept are back in their queue", moved)

    def _lists(self) -> dict[str, str]:
        """The Redis lists that this worker consumes, one per queue and priority, by kombu's names for them."""
        plain = {name: queue_list(self._app, name) for name in self._app.amqp.queues.consume_from}
        return {
            name + one.removeprefix(where): one
            for name, where in plain.items()
            for one in queue_lists(self._app, where)
        }

    def _kept(self) -> Later:
        if self._later is None:
            self._later = Later(make_client(self._settings.url), Keys(self._settings.prefix))
        return self._later


class _Known:
    """What this worker can run, by the name under which messages are kept."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __contains__(self, name: object) -> bool:
        task, _, lacked = str(name).partition(" ")
        return task in self._app.tasks and (not lacked or is_known_name(lacked))


def _named(task: str, lacks: str) -> str:
    return f"{task} {lacks}" if lacks else task
