"""Tasks of flowq's that this worker does not know, since a newer flowq published them, and scheduled flows of classes
that it has not imported: kept until a worker comes that does.

Celery drops a message whose task it does not know. Chunks and aggregations would come again out of the ledger; what a
later release adds might not, and a flow that beat has sent is not in the ledger yet.
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
    """One worker's side of it, in its main process."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._later: Later | None = None

    def keep(self, message: Any, lacks: str = "") -> str | None:
        """Keep a message whose task this worker does not know; why not, if it is none of flowq's or there is no room.

        Args:
            message: as kombu's Redis transport delivered it.
            lacks: name of the class that its task needs and this worker does not know; "": it is the task itself.
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
        """Put back what another worker kept and this one knows; called with every beat.

        Redelivery: what a worker takes that does not know it is kept again. So a message goes round once a beat at
        most, and Redis gives it to the worker that has waited longest.
        """
        moved = self._kept().release(self._lists(), _Known(self._app))
        if moved:
            log.warning("%d tasks that another worker kept are back in their queue", moved)

    def _lists(self) -> dict[str, str]:
        """The Redis lists this worker consumes, one a queue and priority, by kombu's names of them."""
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
    """What this worker knows of what was kept, by its name there."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __contains__(self, name: object) -> bool:
        task, _, lacked = str(name).partition(" ")
        return task in self._app.tasks and (not lacked or is_known_name(lacked))


def _named(task: str, lacks: str) -> str:
    return f"{task} {lacks}" if lacks else task
