"""How long one Celery task keeps running chunks of one batch, although its slot is there for other work, too."""

from __future__ import annotations

import resource
import time
from math import inf

from flowq.engine.app import CHUNK
from flowq.engine.connection import Connections
from flowq.engine.redis_client import AWAY_ERRORS

# The longest turn, if nobody else can want the slot.
ALONE_FOR_S = 4.0
ASK_EVERY_S = 0.1
OWN_TASKS = ("flowq.", "celery.")


class Turn:
    """Begins when it is created; lasts *sure_s* seconds, or up to *alone_for_s* if nobody else can want the slot."""

    def __init__(self, connections: Connections, sure_s: float, alone_for_s: float = ALONE_FOR_S) -> None:
        self._connections, self._alone_for_s = connections, min(alone_for_s, _half_of_time_limit_s(connections))
        self._began = time.perf_counter()
        self._until = self._began + sure_s
        self._asks_at = 0.0

    def is_sure(self) -> bool:
        """Whether it lasts in any case, without asking Redis."""
        return time.perf_counter() < self._until

    def lasts(self) -> bool:
        """Whether it lasts; asks Redis about other batches, at most ten times a second."""
        if self.is_sure():
            return True
        now = time.perf_counter()
        if now < self._asks_at or not self.may_last():
            return False
        self._asks_at = now + ASK_EVERY_S
        if not is_alone(self._connections):
            return False
        self._until = self._asks_at
        return True

    def may_last(self) -> bool:
        """Whether it may go on if that keeps nobody waiting: it is not too long yet, nor the process too large."""
        return time.perf_counter() - self._began <= self._alone_for_s and not self._has_grown()

    def _has_grown(self) -> bool:
        """Whether this process is over its memory limit, and so is replaced after the task."""
        limit_mib = self._connections.settings.max_memory_per_child_mib
        return limit_mib is not None and resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > limit_mib * 1024


def is_alone(connections: Connections) -> bool:
    """Whether nobody else can want the slot: the app has no other tasks, and at most one batch has something to do."""
    if any(not name.startswith(OWN_TASKS) for name in connections.app.tasks):
        return False
    try:
        seconds, _ = connections.redis.time()
        return int(connections.redis.zcount(connections.keys.batches, "-inf", seconds * 1000 + 1000)) <= 1
    except AWAY_ERRORS:
        return False


def _half_of_time_limit_s(connections: Connections) -> float:
    """Half of the time after which the team's app has Celery end any of its tasks, or flowq's."""
    conf, chunk = connections.app.conf, connections.app.tasks.get(CHUNK)
    limits = [conf.task_time_limit, conf.task_soft_time_limit]
    if chunk is not None:  # as `task_annotations` have it
        limits += [chunk.time_limit, chunk.soft_time_limit]
    return min(limit or inf for limit in limits) / 2
