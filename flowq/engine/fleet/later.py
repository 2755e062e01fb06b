"""Messages kept for a worker that knows more: the worker that got them does not know their task, or what it needs.

They lie in one list a task (and what it needs) and queue, and priority if they have one, beside an index of these
lists; a worker that knows both moves them back to where they lay. Bounded in number, size and time, since anybody who
may write to the queue fills it.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Any

from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient

MAX_NAMES = 100
MAX_MESSAGES = 1000  # of one queue, priority and task
MAX_BYTES = 72 * 1024  # of one message: an entry of a schedule in base64, and its envelope
KEPT_FOR_S = 7 * 86_400

_TASK = re.compile(r"flowq\.[a-z0-9_.]{1,64}")


def is_ours(task: Any) -> bool:
    """Whether *task* can be the name of a task of flowq's, of this or another release."""
    return type(task) is str and _TASK.fullmatch(task) is not None


class Later:
    """The messages kept under one prefix."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys

    def keep(self, queue: str, task: str, message: bytes) -> str | None:
        """Keep *message*, as it lay in *queue* (kombu's name of the list: with a priority, that too); why not, if there
        is no room for it.

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
        """Move what is kept for *queues* (as given to keep → Redis list) and is known now (*tasks*) back; how many.

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
            if self._redis.exists(kept):  # more than fits one call, or kept by another worker just now
                self._redis.sadd(self._keys.later, entry)
        return moved


def _name(queue: str, task: str) -> str:
    return f"{queue}\n{task}"
