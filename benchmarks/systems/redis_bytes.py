"""No system: the bytes of the items alone, written to Redis and read again, in and out. What one Redis allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

from redis import Redis

from benchmarks import work
from benchmarks.systems.system import CannotRun, System

BYTES_A_PIPELINE = 4 << 20


class RedisBytes(System):
    name: ClassVar[str] = "redis-py"
    setting: ClassVar[str] = "SET and GET of every item, then of every value, in pipelines of 4 MiB; one process"

    def __init__(self) -> None:
        self._redis: Redis | None = None

    def start(self, redis_url: str, slots: int) -> None:
        self._redis = Redis.from_url(redis_url)
        self._redis.ping()

    def stop(self) -> None:
        if self._redis is not None:
            self._redis.close()

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        if function != "turned":
            raise CannotRun("for payloads")
        values: list[str] = []
        for part in parts(items):
            values += map(work.turned, self._there_and_back(part))
        return [value for part in parts(values) for value in self._there_and_back(part)]

    def _there_and_back(self, part: Sequence[str]) -> list[str]:
        assert self._redis is not None
        names = [str(number) for number in range(len(part))]
        with self._redis.pipeline(transaction=False) as pipe:
            for name, text in zip(names, part, strict=True):
                pipe.set(name, text.encode())
            pipe.execute()
            for name in names:
                pipe.get(name)
            return [value.decode() for value in pipe.execute()]


def parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    """The items in runs of one pipeline's bytes."""
    step = max(1, BYTES_A_PIPELINE // len(items[0]))
    return (items[start : start + step] for start in range(0, len(items), step))
