"""Counters of what a fleet has done, in one Redis hash: outcomes, retries, times. Every process adds its own share.

They are for graphs: a killed process may lose what it has not written yet. A repeated commit is counted once.
"""

from __future__ import annotations

import logging
import threading
from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise

from flowq.batch.results.done import Done
from flowq.engine.keys import Keys
from flowq.engine.redis_client import REDIS_ERRORS, RedisClient

log = logging.getLogger("flowq.meter")

BUCKETS_S = (0.001, 0.01, 0.1, 1.0, 10.0, 60.0, 600.0)
WRITE_AFTER_S = 1.0
KEPT_S = 30 * 86_400
SNAPSHOT_BYTES = "snapshot_bytes"
APART = "\t"  # separates the parts of a field; never part of a node's name

Labels = tuple[str, str]  # queue, node


class Meter:
    """Adds up what was committed, and writes it about a second later, so that short chunks do not wait for it.

    Figures that cannot be written are dropped.
    """

    def __init__(self, redis: RedisClient, keys: Keys) -> None:
        self._redis, self._keys = redis, keys
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._brought: dict[Labels, _Brought] = defaultdict(_Brought)
        self._timer: threading.Timer | None = None

    def done(self, queue: str, node: str, done: Done) -> None:
        """Add the commit *done*, of a run over items of *node* that came through *queue*."""
        with self._lock:
            self._brought[queue, node].add(done)
            if self._timer is None:
                self._timer = threading.Timer(WRITE_AFTER_S, self.write)
                self._timer.daemon = True
                self._timer.start()

    def write(self) -> None:
        """Write the sums: called by the timer and at process exit. Returns when they are written, by any thread."""
        with self._writing:
            with self._lock:
                brought, self._brought = self._brought, defaultdict(_Brought)
                timer, self._timer = self._timer, None
            if timer is not None:
                timer.cancel()
                counts, sums = Counter[str](), defaultdict[str, float](float)
                for (queue, node), one in brought.items():
                    one.spell((queue.replace(APART, " "), node.replace(APART, " ")), counts, sums)
                self.add(counts, sums)

    def add(self, counts: Mapping[str, int], sums: Mapping[str, float] | None = None) -> None:
        """Add to the counters under these fields."""
        try:
            with self._redis.pipeline(transaction=False) as pipe:
                for name, n in counts.items():
                    if n:
                        pipe.hincrby(self._keys.totals, name, n)
                for name, seconds in (sums or {}).items():
                    pipe.hincrbyfloat(self._keys.totals, name, round(seconds, 6))
                pipe.expire(self._keys.totals, KEPT_S)
                pipe.execute()
        except REDIS_ERRORS as error:
            log.debug("figures were not written", extra={"error": repr(error)})


@dataclass(slots=True)
class _Brought:
    """The sums over the commits of one node and queue."""

    outcomes: Counter[str] = field(default_factory=Counter)
    chunks: Counter[int] = field(default_factory=Counter)
    items: Counter[int] = field(default_factory=Counter)
    chunk_s: float = 0.0
    item_s: float = 0.0

    def add(self, done: Done) -> None:
        for name, n in done.counts().items():
            self.outcomes[name] += n
        self.chunks[_bucket(done.seconds)] += 1
        for bucket, n in _buckets(done):
            self.items[bucket] += n
        self.chunk_s += done.seconds
        self.item_s += done.item_seconds

    def spell(self, labels: Labels, counts: Counter[str], sums: dict[str, float]) -> None:
        """Add the sums to *counts* and *sums*, under the names of their fields."""
        counts.update({_field(name, labels): n for name, n in self.outcomes.items()})
        counts.update({_field("chunks", labels, bucket): n for bucket, n in self.chunks.items()})
        counts.update({_field("items", labels, bucket): n for bucket, n in self.items.items()})
        sums[_field("chunk_s", labels)] += self.chunk_s
        sums[_field("item_s", labels)] += self.item_s


@dataclass(slots=True)
class Times:
    """A histogram of durations: the count in each bucket of ``BUCKETS_S`` and above, and the sum in seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    seconds: float = 0.0


@dataclass(slots=True)
class Totals:
    """The counters of a fleet, by queue and node.

    Attributes:
        outcomes: by "ok", "fallback" and "failed".
        retried: items that took more than one try.
        item_times, chunk_times: durations of items and of chunks.
        snapshot_bytes: bytes sent for the stores of batch flows and runs.
    """

    outcomes: dict[str, dict[Labels, int]] = field(default_factory=lambda: defaultdict(dict))
    retried: dict[Labels, int] = field(default_factory=dict)
    item_times: dict[Labels, Times] = field(default_factory=lambda: defaultdict(Times))
    chunk_times: dict[Labels, Times] = field(default_factory=lambda: defaultdict(Times))
    snapshot_bytes: int = 0


def read_totals(redis: RedisClient, keys: Keys) -> Totals:
    """Read the fleet's counters."""
    totals = Totals()
    for name, value in redis.hgetall(keys.totals).items():
        kind, *rest = name.decode(errors="replace").split(APART)
        if kind == SNAPSHOT_BYTES:
            totals.snapshot_bytes = int(value)
            continue
        labels = (rest[0], rest[1])
        match kind:
            case "ok" | "fallback" | "failed":
                totals.outcomes[kind][labels] = int(value)
            case "retried":
                totals.retried[labels] = int(value)
            case "items":
                totals.item_times[labels].counts[int(rest[2])] = int(value)
            case "chunks":
                totals.chunk_times[labels].counts[int(rest[2])] = int(value)
            case "item_s":
                totals.item_times[labels].seconds = float(value)
            case "chunk_s":
                totals.chunk_times[labels].seconds = float(value)
    return totals


def _field(name: str, labels: Labels, bucket: int | None = None) -> str:
    return APART.join((name, *labels) if bucket is None else (name, *labels, str(bucket)))


def _bucket(seconds: float) -> int:
    return bisect_left(BUCKETS_S, seconds)


def _buckets(done: Done) -> Iterable[tuple[int, int]]:
    """The number of items of a run per bucket of their duration, without items that wait for another try."""
    n = len(done.values) - len(done.parked)
    if done.durations is None or done.parked:
        mean_s = done.item_seconds / n if n else 0.0
        return [(_bucket(mean_s), n)]
    times = sorted(done.durations)
    below = [bisect_right(times, bound) for bound in BUCKETS_S] + [n]
    return enumerate(upto - at for at, upto in pairwise([0, *below]))
