"""The Celery strategy of flowq's own tasks, on any app: messages are checked before Celery decodes them.

With Celery's own strategy a header of the wrong type ends the worker, and a body is decoded by whatever serializer the
app accepts (a team's may accept pickle) before a task can check it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from celery import signals
from celery.worker import strategy

from flowq.engine.redis_client import REDIS_ERRORS
from flowq.worker.bodies import task_objection
from flowq.worker.refusals import one_line, told

log = logging.getLogger("flowq.refused")


def careful(task: Any, app: Any, consumer: Any, **options: Any) -> Callable[..., Any]:
    """Celery's strategy for *task* with a check before it. ``task.takes`` checks the arguments; ``task.lacking`` names
    a class that they need and that is unknown here: the message is then kept for a worker that knows it.
    """
    handle = strategy.default(task, app, consumer, **options)
    lacking: Callable[[Any], str] | None = getattr(task, "lacking", None)

    def take(message: Any, body: Any, ack: Any, reject: Any, callbacks: Any, **kwargs: Any) -> Any:
        objection = "it is of Celery's first protocol" if body is not None else task_objection(task.takes, message)
        if objection is None:
            try:
                lacks = "" if lacking is None else lacking(message)
                if lacks:
                    return keep(app, consumer, message, lacks)
                return handle(message, body, ack, reject, callbacks, **kwargs)
            except REDIS_ERRORS:
                raise
            except Exception as error:
                objection = f"{type(error).__name__}: {one_line(error)}"
        return turn_away(consumer, message, objection)

    return take


def keep(app: Any, consumer: Any, message: Any, lacks: str) -> None:
    """Keep *message* for a worker that knows the class that this one *lacks*."""
    objection = app.flowq.unknown.keep(message, lacks)
    if objection is None:
        message.ack_log_error(log, consumer.connection_errors)
    else:
        turn_away(consumer, message, f"this worker does not know {lacks}, and it cannot be kept: {objection}")


def turn_away(consumer: Any, message: Any, objection: str) -> None:
    """Log the reason, and remove *message* from the queue for good. The ledger publishes its work again."""
    headers = message.headers
    log.error(
        "a message was refused: %s",
        objection,
        extra={"task": told(headers.get("task")), "message_id": told(headers.get("id"))},
    )
    message.reject_log_error(log, consumer.connection_errors)
    signals.task_rejected.send(sender=consumer, message=message, exc=None)
