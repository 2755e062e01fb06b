"""Messages kept for other workers, because the worker that received them does not know their task, or what it needs.

There is one list per task (and what it needs), queue and priority, and an index of these lists. A worker that knows
the task and what it needs moves the messages back to their queue. Number, size and age are bounded, since anybody who
may write to the queue can fill the lists.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient

MAX_NAMES = 100
MAX_MESSAGES = 1000  # of one queue, priority and task
MAX_BYTES = 72 * 1024  # of one message: a schedule's entry in base64, and its envelope
KEPT_FOR_S = 7 * 86_400

_TASK = re.compile(r"flowq\.[a-z0-9_.]{1,64}")


def is_ours(task: Any) -> bool:
    """Whether *task* can be the name of one of flowq's tasks, of this or another release."""
    return type(task) is str and _TASK.fullmatch(task) is not None


class Later:
    """The messages kept under one prefix."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys

    def keep(self, queue: str, task: str, message: bytes) -> str | None:
        """Keep *message* of *queue*, kombu's name of the list (with the priority). Returns None, or why there is
        no room for it.

        Redelivery: it is kept twice, and delivered twice.
        """
        redis, name = self._redis, _name(queue, task)
        if len(message) > MAX_BYTES:
            return f"its {len(message):,} bytes are more than the {MAX_BYTES:,} that are kept"
        if not redis.sismember(self._keys.later, name) and redis.scard(self._keys.later) >= MAX_NAMES:
            return f"messages of {MAX_NAMES} unknown tasks are kept already"
        if redis.llen(self._keys.later_of(queue, task)) >= MAX_MESSAGES:
            return f"{MAX_MESSAGES:,} messages of that task are kept already"
        with redis.pipeline(transaction=True) as pipe:
            pipe.rpush(self._keys.later_of(queue, task), message)
            pipe.expire(self._keys.later_of(queue, task), KEPT_FOR_S)
            pipe.sadd(self._keys.later, name)
            pipe.expire(self._keys.later, KEPT_FOR_S)
            pipe.execute()
        return None

    def release(self, queues: dict[str, str], tasks: Container[str]) -> int:
        """Move messages kept for *queues* (name given to keep → Redis list) and *tasks* back; returns their number.

        Redelivery: two callers get disjoint messages.
        """
        moved = 0
        for entry in self._redis.smembers(self._keys.later):
            queue, _, task = entry.decode(errors="replace").partition("\n")
            if task not in tasks or queue not in queues:
                continue
            kept = self._keys.later_of(queue, task)
            while moved < MAX_MESSAGES and self._redis.lmove(kept, queues[queue], "LEFT", "LEFT") is not None:
                moved += 1
            self._redis.srem(self._keys.later, entry)
            if self._redis.exists(kept):  # more than one call may move, or another worker has just kept one
                self._redis.sadd(self._keys.later, entry)
        return moved


def _name(queue: str, task: str) -> str:
    return f"{queue}\n{task}"
