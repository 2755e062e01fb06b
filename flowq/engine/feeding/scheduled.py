"""Flows that Celery beat submits: the entry for its schedule. Workers handle the message in worker/tasks.py."""

from __future__ import annotations

import time
from typing import Any

from celery.beat import BeatLazyFunc
from celery.schedules import crontab, schedule

from flowq.codec import dumps
from flowq.core.given import is_number, require_store, require_text
from flowq.core.node import Node
from flowq.core.spec import spec_of
from flowq.engine.app import MAX_KEY, RUN_FLOW
from flowq.engine.feeding.birth import encoded
from flowq.errors import ConfigError

MAX_BYTES = 48 * 1024  # of a flow and its store, in one message


def scheduled(
    flow: Node[Any, Any],
    when: Any,
    *,
    key: str,
    shared: dict[str, Any] | None = None,
    queue: str | None = None,
) -> dict[str, Any]:
    """An entry of ``app.conf.beat_schedule`` that submits *flow* as a durable run whenever *when* is due.

    The run's key is *key* plus the start of the period (of a crontab: the minute) in which beat sends it: a message
    that is delivered twice, or sent by two beats, makes one run. A worker that does not know a class of the flow keeps
    the message for one that does, for a week.

    Args:
        flow: what runs; its classes must be known to the workers.
        when: a ``crontab``, a ``timedelta`` or seconds, as in Celery's schedules.
        key: the common part of the runs' keys, at most 200 characters; also their label.
        shared: the store that each run begins with; keep it small: read large data in the flow's first node.
        queue: where to send it (None: the app's default queue).

    Raises:
        CannotTravel, EncodeError: the flow or the store.
        TypeError, ValueError: another argument is none of its kind.
        ConfigError: together they are over 48 KiB, or *key* is too long.
    """
    if not isinstance(flow, Node):
        raise TypeError(f"scheduled takes a flow or a node, not {type(flow).__name__}")
    require_text("the key of a schedule", key)
    require_store({} if shared is None else shared)
    if len(key) > MAX_KEY:
        raise ConfigError(f"the key of a schedule has at most {MAX_KEY} characters, {key[:20]!r}… has {len(key):,}")
    spec, store = encoded(spec_of(flow)), dumps(shared or {})
    if len(spec) + len(store) > MAX_BYTES:
        raise ConfigError(
            f"flow and store of {key!r} are {len(spec) + len(store):,} bytes, a schedule's entry holds {MAX_BYTES:,}: "
            "let the flow's first node read what is large"
        )
    options: dict[str, Any] = {"serializer": "flowq", "ignore_result": True, "argsrepr": key, "kwargsrepr": ""}
    if queue is not None:
        require_text("queue", queue)
        options["queue"] = queue
    return {
        "task": RUN_FLOW,
        "schedule": when,
        "args": (spec, store, key, BeatLazyFunc(due_moment, period_s(when))),
        "options": options,
    }


def period_s(when: Any) -> float:
    """The period of *when* in seconds; that of a crontab is a minute."""
    if isinstance(when, crontab):
        return 60.0
    every = when.run_every if isinstance(when, schedule) else when
    seconds = every.total_seconds() if hasattr(every, "total_seconds") else every
    if not is_number(seconds) or seconds <= 0:
        raise TypeError(f"when is a crontab, a timedelta or a number of seconds above 0, not {when!r:.200}")
    return float(seconds)


def due_moment(every_s: float) -> int:
    """The start of the current period, in seconds since the epoch."""
    return int(time.time() // every_s * every_s)
