"""Tasks of flowq's that this worker does not know, since a newer flowq published them: kept until one that does comes.

Celery drops a message whose task it does not know. Chunks and aggregations would come again out of the ledger; what a
later release adds might not.
"""

from __future__ import annotations

import json
import logging
from typing import Any

from celery import Celery

from flowq.engine.app import queue_list, queue_lists
from flowq.engine.keys import Keys
from flowq.engine.later import Later, is_ours
from flowq.engine.redis_client import make_client
from flowq.settings import Settings
from flowq.worker.refusals import told

log = logging.getLogger("flowq.unknown")


class UnknownTasks:
    """One worker's side of it, in its main process."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._later: Later | None = None

    def keep(self, message: Any) -> str | None:
        """Keep a message whose task this worker does not know; why not, if it is none of flowq's or there is no room.

        Args:
            message: as kombu's Redis transport delivered it.
        """
        task, queue = message.headers.get("task"), message.delivery_info.get("routing_key")
        if not is_ours(task):
            return f"this worker does not know the task {told(task)}"
        if queue not in self._app.amqp.queues.consume_from:
            return f"it says that it comes from {told(queue)}, which this worker does not consume"
        channel = message.channel
        lay_in = channel._q_for_pri(queue, channel._get_message_priority(message._raw))
        objection = self._kept().keep(lay_in, task, json.dumps(message._raw).encode())
        if objection is None:
            log.warning("a task is kept for a newer flowq: %s", task, extra={"queue": queue})
        return objection

    def release(self) -> None:
        """Put back what an older flowq kept and this worker knows; called with every beat."""
        moved = self._kept().release(self._lists(), frozenset(self._app.tasks))
        if moved:
            log.warning("%d tasks that an older flowq kept are back in their queue", moved)

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
