"""The consumer of flowq's own workers: survives any message, and keeps those that only a newer flowq knows."""

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

# Task events are collected for this time and sent in one message: a little delay harms no viewer, and a message per
# event would delay short tasks between arrival and start.
EVENTS_EVERY_S = 0.05

# Seconds between attempts to reach a Redis that is away. Celery's own intervals grow to 30 s, and so would the delay.
LOOK_FOR_REDIS = {"interval_start": 0.5, "interval_step": 0.5, "interval_max": 2.0}


class CarefulConsumer(Consumer):
    """The ``worker_consumer`` of flowq's own workers; a team's app keeps its consumer."""

    _flush_at = 0.0

    def connection_for_read(self, heartbeat: Any = None) -> Any:
        connection = self.app.connection_for_read(heartbeat=heartbeat)
        # Set on the connection, so that it holds for every transport it makes, also after an error.
        connection.get_transport_cls = lambda: CarefulTransport
        connection.ensure_connection = functools.partial(connection.ensure_connection, **LOOK_FOR_REDIS)
        return self.ensure_connected(connection)

    def connect(self) -> Any:
        connection = self.connection_for_read(heartbeat=self.amqheartbeat)
        try:
            if self.hub:
                connection.transport.register_with_event_loop(connection.connection, self.hub)
        except BaseException:
            # A full Redis refuses kombu's first command. Celery retries at once, and leaves the connection open.
            ignore_errors(connection, connection.close)
            raise
        return connection

    def on_send_event_buffered(self) -> None:
        now = time.monotonic()
        if self.app.flowq.stopping:
            super().on_send_event_buffered()  # the event loop may not run again
        elif now >= self._flush_at:
            # A time, not a flag: a lost connection also loses the loop's timers; then the next event sets a new one.
            self._flush_at = now + EVENTS_EVERY_S
            self.hub.call_later(EVENTS_EVERY_S, self._flush_events)

    def stop(self) -> None:
        self._flush_events()
        if self.connection is not None:
            self.connection.transport.end_reads()
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
        # celery.map and the like run any task, with arguments that nobody has checked.
        if task.startswith("celery."):
            return f"{told(task)} is Celery's own, and flowq's workers run none of those"
        return None
