"""A flow that Celery beat has sent: what a worker lacks to run it, and starting it as a run."""

from __future__ import annotations

import logging
import time
from typing import Any

from celery.exceptions import Reject

from flowq.client.executor import CeleryExecutor
from flowq.client.run import DurableRun
from flowq.codec import loads
from flowq.core.spec import FlowSpec
from flowq.engine.patience import AWAY_FOR_S
from flowq.errors import CannotTravel, DecodeError, NoRedis, RedisFull
from flowq.registry import is_known_name

log = logging.getLogger("flowq.scheduled")

MAX_LOOKED_AT_BYTES = 256 * 1024  # unpacked; this runs in the main process, and values take many times their bytes
MAX_NAME = 200
AGAIN_S = 1.0


def lacking(message: Any) -> str:
    """The name of a class or function that the flow or store of *message* contains and this process does not know.

    Builds nothing. "": there is none, or it is unknown, and then the task reports what is wrong.

    Args:
        message: a kombu Message whose body was found valid (bodies.py).
    """
    spec, store = loads(message.body)[0][:2]
    try:
        graph = FlowSpec.from_plain(loads(spec, max_bytes=MAX_LOOKED_AT_BYTES))
        names = [name for name in sorted(graph.class_names()) if not is_known_name(name)]
        if not names:
            loads(store, max_bytes=MAX_LOOKED_AT_BYTES)
    except DecodeError as error:
        names = [error.lacks]
    except CannotTravel:
        names = []
    return names[0] if names and len(names[0]) <= MAX_NAME else ""


def begin(executor: CeleryExecutor, spec: bytes, store: bytes, key: str, moment: int) -> DurableRun:
    """Start the run, as soon as Redis is there and has room. Redelivery: the same run.

    Raises:
        Reject: Redis was away or full for 30 s; the message goes back to the end of its queue.
        CannotTravel, DecodeError: see ``submit_scheduled``.
    """
    until = time.monotonic() + AWAY_FOR_S
    while True:
        try:
            return executor.submit_scheduled(spec, store, key, moment)
        except (NoRedis, RedisFull) as error:
            log.warning("a scheduled flow is not begun yet: %s", error, extra={"key": key})
            if time.monotonic() >= until:
                raise Reject(str(error), requeue=True) from error
            time.sleep(AGAIN_S)
