"""Room in Redis: how much of maxmemory is used, and whether a producer may write more. Never frees memory itself."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from dataclasses import dataclass

from redis.exceptions import NoPermissionError

from flowq.engine.redis_client import REDIS_ERRORS, RedisClient
from flowq.errors import RedisFull

FULL_AT = 0.8  # share of maxmemory; the rest is for the outcomes of items that are already written
LOOK_EVERY_S = 1.0
LOOK_EVERY_BYTES = 4 * 1024 * 1024
KEY_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """Redis' memory: ``used_bytes`` count against ``max_bytes``, its maxmemory (0: none)."""

    used_bytes: int
    max_bytes: int
    policy: str

    @property
    def share(self) -> float:
        """Used share of maxmemory, 0 if there is no maxmemory."""
        return self.used_bytes / self.max_bytes if self.max_bytes else 0.0


def memory_of(info: dict[str, object]) -> Memory:
    """Parse the reply of ``INFO memory``."""
    # Buffers of replicas and of the append-only file do not count against maxmemory.
    used = int(str(info["used_memory"])) - int(str(info.get("mem_not_counted_for_evict", 0)))
    return Memory(used, int(str(info.get("maxmemory", 0))), str(info.get("maxmemory_policy", "")))


class Headroom:
    """Whether Redis is below 80 % of its maxmemory. Asks Redis each second or every few MiB, more often near the limit.

    Nothing is refused under an eviction policy, where Redis makes room itself (`flowq doctor` says what that costs),
    nor where the ACL forbids this user to ask.
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
        # The allocator rounds a value's size up by at most a quarter.
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
        """The error, with current figures."""
        with self._lock:
            if time.monotonic() - self._looked_at > LOOK_EVERY_S:
                with suppress(*REDIS_ERRORS):
                    self._look()
            memory = self._memory
        used_bytes, max_bytes = (0, 0) if memory is None else (memory.used_bytes, memory.max_bytes)
        return RedisFull(used_bytes, max_bytes, wanted_bytes)

    def forget(self) -> None:
        """Ask Redis again at the next question, because it has just refused a write."""
        self._looked_at = float("-inf")

    def _look(self) -> None:
        try:
            self._memory = memory_of(self._redis.info("memory"))
        except NoPermissionError:
            self._memory = None
        self._looked_at = time.monotonic()
        self._free_bytes = _free(self._memory)
        # Others write too: trust half of what is left, so that checks become more frequent as room shrinks.
        self._unlooked_bytes = min(LOOK_EVERY_BYTES, self._free_bytes / 2)


def _free(memory: Memory | None) -> float:
    if memory is None or not memory.max_bytes or memory.policy != "noeviction":
        return float("inf")
    return FULL_AT * memory.max_bytes - memory.used_bytes
