"""The consumer of flowq's own workers: Celery's, that outlives any message and keeps what a newer flowq will know."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Callable
from typing import Any

from celery.worker.consumer import Consumer
from kombu.common import ignore_errors

from flowq.engine.redis_client import REDIS_ERRORS
from flowq.worker.refusals import headers_objection, one_line, told
from flowq.worker.strategy import turn_away
from flowq.worker.transport import CarefulTransport

log = logging.getLogger("flowq.refused")

# Task events wait so long for others, to leave in one message: nobody watches so closely, and a message each would keep
# a short task waiting between its arrival and its start.
EVENTS_EVERY_S = 0.05

# Seconds between looks for a Redis that is away. Celery's own grow to 30: so late would work go on after its return.
LOOK_FOR_REDIS = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}


class CarefulConsumer(Consumer):
    """Set as ``worker_consumer`` of flowq's own workers; a team's app keeps the consumer it has."""

    _flush_at = 0.0

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        # For whatever transport this connection makes, now or after an error.
        connection.get_transport_cls = lambda: CarefulTransport
        connection.ensure_connection = functools.partial(connection.ensure_connection, **LOOK_FOR_REDIS)
        return self.ensure_connected(connection)

    def connect(self) -> Any:
        connection = self.connection_for_read(heartbeat=self.amqheartbeat)
        try:
            if self.hub:
                connection.transport.register_with_event_loop(connection.connection, self.hub)
        except BaseException:
            # A full Redis refuses what kombu begins with. Celery tries again at once, and leaves open what it opened.
            ignore_errors(connection, connection.close)
            raise
        return connection

    def on_send_event_buffered(self) -> None:
        now = time.monotonic()
        if self.app.flowq.stopping:
            super().on_send_event_buffered()  # the event loop may not come round once more
        elif now >= self._flush_at:
            # Not a flag: with the connection the loop's timers are lost too, and the next event sets another.
            self._flush_at = now + EVENTS_EVERY_S
            self.hub.call_later(EVENTS_EVERY_S, self._flush_events)

    def stop(self) -> None:
        self._flush_events()
        super().stop()

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], Any]:
        handle = super().create_task_handler(*args, **kwargs)

        def take(message: Any) -> Any:
            objection = headers_objection(message.headers) or self._not_for_us(message.headers["task"])
            if objection is None:
                try:
                    return handle(message)
                except REDIS_ERRORS:
                    raise
                except Exception as error:
                    objection = f"{type(error).__name__}: {one_line(error)}"
            return turn_away(self, message, objection)

        return take

    def on_unknown_task(self, body: Any, message: Any, exc: Any) -> None:
        objection = self.app.flowq.unknown.keep(message)
        if objection is None:
            message.ack_log_error(log, self.connection_errors)
        else:
            turn_away(self, message, objection)

    def on_unknown_message(self, body: Any, message: Any) -> None:
        turn_away(self, message, "it is no task")

    def on_invalid_task(self, body: Any, message: Any, exc: Any) -> None:
        turn_away(self, message, one_line(exc))

    def on_decode_error(self, message: Any, exc: Any) -> None:
        turn_away(self, message, f"its body cannot be read: {one_line(exc)}")

    def _not_for_us(self, task: str) -> str | None:
        # celery.map and its like run any task with arguments that nobody has looked at.
        if task.startswith("celery."):
            return f"{told(task)} is Celery's own, and flowq's workers run none of those"
        return None
