"""Which workers are there: each writes a record with every beat; what has not beaten for a while is not there."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields

from flowq.codec import dumps, loads
from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient
from flowq.errors import DecodeError

GONE_AFTER_S = 5.0
NAMED_FOR_S = 60.0
CACHE_S = 1.0
CHUNKS_A_SLOT = 2


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """What a worker says of itself: its slots, the queues it consumes with their Redis lists, the nodes it knows."""

    name: str
    host: str
    pid: int
    slots: int
    queues: Mapping[str, str]
    nodes: tuple[str, ...]
    version: str
    started_at: float


_FIELDS = tuple(field.name for field in fields(WorkerRecord))


def announce(redis: RedisClient, keys: Keys, record: WorkerRecord, ttl_s: float = GONE_AFTER_S) -> None:
    """Write a worker's record; called with every beat.

    Names of the last minute are kept, also of who is not there any more. By this machine's clock, which may be off:
    what seems to be older is forgotten only if Redis, too, says that it is not there.
    """
    with redis.pipeline(transaction=False) as pipe:
        pipe.zadd(keys.workers, {record.name: time.time()})
        pipe.set(keys.worker(record.name), dumps(asdict(record)), px=int(ttl_s * 1000))
        pipe.zrangebyscore(keys.workers, "-inf", time.time() - NAMED_FOR_S)
        *_, old = pipe.execute()
    gone = [name for name in old if not redis.exists(keys.worker(name.decode(errors="replace")))]
    if gone:
        redis.zrem(keys.workers, *gone)


def withdraw(redis: RedisClient, keys: Keys, name: str) -> None:
    """A worker that ends says so."""
    redis.zrem(keys.workers, name)
    redis.delete(keys.worker(name))


def workers(redis: RedisClient, keys: Keys) -> list[WorkerRecord]:
    """The workers that are there now."""
    theirs = _keys(redis, keys)
    if not theirs:
        return []
    blobs = redis.mget(theirs)
    records = [_read(blob) for blob in blobs if blob is not None]
    return [record for record in records if record is not None]


def _keys(redis: RedisClient, keys: Keys) -> list[str]:
    """Where the records lie of all that are there, or were."""
    return [keys.worker(name.decode(errors="replace")) for name in redis.zrange(keys.workers, 0, -1)]


def _read(blob: bytes) -> WorkerRecord | None:
    """A record, without what a newer release added to it; None where it lacks what this one needs, or was altered."""
    try:
        said = loads(blob)
        record = WorkerRecord(**{name: said[name] for name in _FIELDS})
    except (DecodeError, KeyError, TypeError):
        return None
    whole = type(record.slots) is int and type(record.queues) is dict and type(record.nodes) is tuple
    return record if whole else None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A worker as Redis has it at one moment, also where it is gone or says what this flowq cannot read.

    Attributes:
        name: its name.
        record: what it says of itself; None if that cannot be read, or it is gone.
        age_s: seconds since its last beat, by Redis' clock; None if it is gone.
        ahead_s: seconds its clock is ahead of Redis'; None if it is gone.
        gone_s: seconds since it was there, if it went without withdrawing; by its own clock and Redis'.
    """

    name: str
    record: WorkerRecord | None
    age_s: float | None
    ahead_s: float | None
    gone_s: float


def sightings(redis: RedisClient, keys: Keys) -> list[Sighting]:
    """The workers of the last minute."""
    seen = []
    for name, beaten_at in redis.zrange(keys.workers, 0, -1, withscores=True):
        with redis.pipeline(transaction=False) as pipe:
            key = keys.worker(name.decode(errors="replace"))
            blob, left_ms, (seconds, micros) = pipe.get(key).pttl(key).time().execute()
        now = seconds + micros / 1e6
        there = blob is not None and left_ms > 0
        age_s = GONE_AFTER_S - left_ms / 1000 if there else None
        ahead_s = None if age_s is None else beaten_at - (now - age_s)
        record = _read(blob) if there else None
        seen.append(Sighting(name.decode(errors="replace"), record, age_s, ahead_s, now - beaten_at))
    return seen


def alive(redis: RedisClient, keys: Keys) -> int:
    """How many workers have beaten lately, also those of a release whose records this one cannot read."""
    theirs = _keys(redis, keys)
    return int(redis.exists(*theirs)) if theirs else 0


def window_of(slots: int) -> int:
    """Open chunks a batch may have on so many slots: two each, so that no slot waits for a message."""
    return CHUNKS_A_SLOT * max(1, slots)


class Fleet:
    """The workers as this process saw them at most a second ago."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys
        self._seen: list[WorkerRecord] = []
        self._seen_at = float("-inf")

    def workers(self, queue: str | None = None, *, fresh: bool = False) -> Sequence[WorkerRecord]:
        """Workers that consume *queue*; all of them if None."""
        if fresh or time.monotonic() - self._seen_at > CACHE_S:
            self._seen = workers(self._redis, self._keys)
            self._seen_at = time.monotonic()
        return [worker for worker in self._seen if queue is None or queue in worker.queues]

    def slots(self, queue: str) -> int:
        """Slots that consume *queue*."""
        return sum(worker.slots for worker in self.workers(queue))

    def window(self, queue: str) -> int:
        """Open chunks a batch on *queue* may have."""
        return window_of(self.slots(queue))
