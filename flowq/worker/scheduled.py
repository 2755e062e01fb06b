"""A flow that beat has sent, as it comes to a worker: what it lacks to begin it, and beginning it as a run."""

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

MAX_LOOKED_AT_BYTES = 256 * 1024  # unpacked: this is the main process, and a value takes many times its bytes
MAX_NAME = 200
AGAIN_S = 1.0


def lacking(message: Any) -> str:
    """The name of a class or function that the flow of *message*, or its store, is made of and this process lacks.

    Builds nothing. "": there is none; or it cannot be told, and the task will say what is wrong.

    Args:
        message: a kombu Message to whose body there is no objection (bodies.py).
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
    """Begin the run, as soon as Redis is there and has room. Redelivery: the same run.

    Raises:
        Reject: it had none for 30 s; the message goes back to its queue, where it stands last.
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
