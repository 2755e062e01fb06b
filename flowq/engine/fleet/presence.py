"""Which workers there are: each writes a record with every beat; one that has not beaten for a while is gone."""

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
APART = "\n"  # separates a worker's name from its process


@dataclass(frozen=True, slots=True)
class WorkerRecord:
    """A worker's description: its slots, the queues it consumes with their Redis lists, the nodes it knows."""

    name: str
    host: str
    pid: int
    slots: int
    queues: Mapping[str, str]
    nodes: tuple[str, ...]
    version: str
    started_at: float

    @property
    def entry(self) -> str:
        """Where this process's record is kept: nobody keeps two workers from having one name."""
        return f"{self.name}{APART}{self.host} {self.pid} {self.started_at}"


_FIELDS = tuple(field.name for field in fields(WorkerRecord))


def announce(redis: RedisClient, keys: Keys, record: WorkerRecord, ttl_s: float = GONE_AFTER_S) -> None:
    """Write a worker's record; called with every beat.

    Names are kept for a minute, also those of workers that are gone. That time is by this machine's clock, which may be
    wrong: a name that seems older is dropped only if its record in Redis has expired as well.
    """
    with redis.pipeline(transaction=False) as pipe:
        pipe.zadd(keys.workers, {record.entry: time.time()})
        pipe.set(keys.worker(record.entry), dumps(asdict(record)), px=int(ttl_s * 1000))
        pipe.zrangebyscore(keys.workers, "-inf", time.time() - NAMED_FOR_S)
        *_, old = pipe.execute()
    gone = [entry for entry in old if not redis.exists(keys.worker(entry.decode(errors="replace")))]
    if gone:
        redis.zrem(keys.workers, *gone)


def withdraw(redis: RedisClient, keys: Keys, record: WorkerRecord) -> None:
    """Remove a worker's record when it stops."""
    redis.zrem(keys.workers, record.entry)
    redis.delete(keys.worker(record.entry))


def workers(redis: RedisClient, keys: Keys) -> list[WorkerRecord]:
    """The records of the live workers."""
    theirs = _keys(redis, keys)
    if not theirs:
        return []
    blobs = redis.mget(theirs)
    records = [_read(blob) for blob in blobs if blob is not None]
    return [record for record in records if record is not None]


def _keys(redis: RedisClient, keys: Keys) -> list[str]:
    """The record keys of all workers that are or recently were there."""
    return [keys.worker(entry.decode(errors="replace")) for entry in redis.zrange(keys.workers, 0, -1)]


def _read(blob: bytes) -> WorkerRecord | None:
    """Decode a record, ignoring fields of newer releases; None if it lacks a field needed here, or was altered."""
    try:
        said = loads(blob)
        record = WorkerRecord(**{name: said[name] for name in _FIELDS})
    except (DecodeError, KeyError, TypeError):
        return None
    whole = type(record.slots) is int and type(record.queues) is dict and type(record.nodes) is tuple
    return record if whole else None


@dataclass(frozen=True, slots=True)
class Sighting:
    """A worker as seen in Redis at one moment, also if it is gone or its record cannot be read.

    Attributes:
        name: its name.
        record: its record; None if that cannot be read, or if it is gone.
        age_s: seconds since its last beat, by Redis' clock; None if it is gone.
        ahead_s: seconds its clock is ahead of Redis'; None if it is gone.
        gone_s: seconds since its last beat, by its own clock and Redis'; for a worker that went without withdrawing.
    """

    name: str
    record: WorkerRecord | None
    age_s: float | None
    ahead_s: float | None
    gone_s: float


def sightings(redis: RedisClient, keys: Keys) -> list[Sighting]:
    """The workers seen within the last minute; not one that is gone and was replaced by another of its name."""
    seen = []
    for entry, beaten_at in redis.zrange(keys.workers, 0, -1, withscores=True):
        with redis.pipeline(transaction=False) as pipe:
            key = keys.worker(entry.decode(errors="replace"))
            blob, left_ms, (seconds, micros) = pipe.get(key).pttl(key).time().execute()
        now = seconds + micros / 1e6
        there = blob is not None and left_ms > 0
        age_s = GONE_AFTER_S - left_ms / 1000 if there else None
        ahead_s = None if age_s is None else beaten_at - (now - age_s)
        record = _read(blob) if there else None
        name = entry.decode(errors="replace").partition(APART)[0]
        seen.append(Sighting(name, record, age_s, ahead_s, now - beaten_at))
    present = {one.name for one in seen if one.age_s is not None}
    return [one for one in seen if one.age_s is not None or one.name not in present]


def alive(redis: RedisClient, keys: Keys) -> int:
    """The number of live workers, including those of a release whose records this one cannot read."""
    theirs = _keys(redis, keys)
    return int(redis.exists(*theirs)) if theirs else 0


def window_of(slots: int) -> int:
    """How many chunks a batch may have open on that many slots: two per slot, so that none waits for a message."""
    return CHUNKS_A_SLOT * max(1, slots)


class Fleet:
    """The live workers, as this process saw them at most a second ago."""

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys
        self._seen: list[WorkerRecord] = []
        self._seen_at = float("-inf")

    def workers(self, queue: str | None = None, *, fresh: bool = False) -> Sequence[WorkerRecord]:
        """The workers that consume *queue*; all workers if None."""
        if fresh or time.monotonic() - self._seen_at > CACHE_S:
            self._seen = workers(self._redis, self._keys)
            self._seen_at = time.monotonic()
        return [worker for worker in self._seen if queue is None or queue in worker.queues]

    def slots(self, queue: str) -> int:
        """The number of slots that consume *queue*."""
        return sum(worker.slots for worker in self.workers(queue))

    def window(self, queue: str) -> int:
        """How many chunks a batch on *queue* may have open."""
        return window_of(self.slots(queue))
