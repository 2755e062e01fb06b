"""Room in Redis: how much of maxmemory is used, and whether a producer may write more. Frees none itself."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import NoPermissionError

from flowq.engine.redis_client import REDIS_ERRORS, RedisClient
from flowq.errors import RedisFull

FULL_AT = 0.8  # the rest is for what workers make of the items that are there
LOOK_EVERY_S = 1.0
LOOK_EVERY_BYTES = 4 * 1024 * 1024
KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Redis' memory: what counts against ``max_bytes``, its maxmemory (0: none)."""

    used_bytes: int
    max_bytes: int
    policy: str

    @property
    def share(self) -> float:
        """Used of maxmemory, 0 where there is none."""
        return self.used_bytes / self.max_bytes if self.max_bytes else 0.0


def memory_of(info: dict[str, object]) -> Memory:
    """What ``INFO memory`` says."""
    # Buffers of replicas and of the append-only file are not held against maxmemory.
    used = int(str(info["used_memory"])) - int(str(info.get("mem_not_counted_for_evict", 0)))
    return Memory(used, int(str(info.get("maxmemory", 0))), str(info.get("maxmemory_policy", "")))


class Headroom:
    """Whether Redis has room below 80 % of its maxmemory. Asks once a second or every few MiB, more often near it.

    Under an eviction policy Redis makes room itself, as it was told to (`flowq doctor` says what that costs): nothing
    is refused then, nor where this user may not ask (ACL).
    """

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._lock = threading.Lock()
        self._memory: Memory | None = None
        self._free_bytes: float = 0
        self._unlooked_bytes: float = 0
        self._looked_at = float("-inf")

    def fits(self, size_bytes: int) -> bool:
        """Whether *size_bytes* more may be written; counts them as written if so."""
        # The allocator rounds a value up by at most a quarter.
        cost = size_bytes * 5 // 4 + KEY_BYTES
        with self._lock:
            if cost > self._unlooked_bytes or time.monotonic() - self._looked_at > LOOK_EVERY_S:
                self._look()
            if cost > self._free_bytes:
                return False
            self._free_bytes -= cost
            self._unlooked_bytes -= cost
            return True

    def require(self, size_bytes: int = 0) -> None:
        """Raise RedisFull unless *size_bytes* more may be written."""
        if not self.fits(size_bytes):
            raise self.full(size_bytes)

    def full(self, wanted_bytes: int = 0) -> RedisFull:
        """The error, with the figures of this moment."""
        with self._lock:
            if time.monotonic() - self._looked_at > LOOK_EVERY_S:
                with suppress(*REDIS_ERRORS):
                    self._look()
            memory = self._memory
        used_bytes, max_bytes = (0, 0) if memory is None else (memory.used_bytes, memory.max_bytes)
        return RedisFull(used_bytes, max_bytes, wanted_bytes)

    def forget(self) -> None:
        """Look again at the next question: Redis has just refused something."""
        self._looked_at = float("-inf")

    def _look(self) -> None:
        try:
            self._memory = memory_of(self._redis.info("memory"))
        except NoPermissionError:
            self._memory = None
        self._looked_at = time.monotonic()
        self._free_bytes = _free(self._memory)
        # Others write too: half of what is left, so that the looks come closer together as it becomes less.
        self._unlooked_bytes = min(LOOK_EVERY_BYTES, self._free_bytes / 2)


def _free(memory: Memory | None) -> float:
    if memory is None or not memory.max_bytes or memory.policy != "noeviction":
        return float("inf")
    return FULL_AT * memory.max_bytes - memory.used_bytes
