"""Course: when, where and how long the items of a batch ran, read from its commits once, in bounded memory."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from flowq.batch.results.done import Done
from flowq.batch.results.outcome import Outcome
from flowq.client.handle import BatchHandle
from flowq.engine.reading.results import State
from flowq.report.spread import Spread
from flowq.report.timeline import Bins, Timeline

BINS = 180
SLOWEST = 12
FAILURES = 50


@dataclass(frozen=True, slots=True, order=True)
class Slow:
    """One of the slowest items."""

    seconds: float
    index: int
    status: str
    worker: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Course:
    """The data of a report.

    Attributes:
        id, label, node, queue: as in the handle.
        state: the ledger's counters.
        bins: the work over time.
        spread: the distribution of item durations.
        slowest: the slowest items, the slowest first.
        failures: the first failed items.
        kinds: number of failed items by type of error.
    """

    id: str
    label: str
    node: str
    queue: str
    state: State
    bins: Bins
    spread: Spread
    slowest: list[Slow]
    failures: list[Outcome] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)


def read_course(handle: BatchHandle[Any]) -> Course:
    """Read the course of a batch so far. Every commit is read once, those with failures twice.

    Raises:
        BatchLost: Redis no longer holds the batch.
        ResultsFreed: results were read with ``free=True`` and deleted.
        DecodeError: a result is of a class that is not known in this process.
    """
    timeline, spread = Timeline(), Spread()
    slowest: list[Slow] = []
    for done in handle.commits():
        _note(done, timeline, spread)
        for one in _slow_ones(done, slowest[0].seconds if len(slowest) == SLOWEST else 0.0):
            keep = heapq.heappush if len(slowest) < SLOWEST else heapq.heappushpop
            keep(slowest, one)
    failures, kinds = _failures(handle.failures())
    return Course(
        handle.id, handle.label, handle.node, handle.queue, handle.state(), timeline.bins(BINS), spread,
        sorted(slowest, reverse=True), failures, kinds,
    )  # fmt: skip


def _note(done: Done, timeline: Timeline, spread: Spread) -> None:
    counts = {name: count for name, count in done.counts().items() if name != "retried"}
    timeline.add(done.started_at, done.started_at + done.seconds, counts, done.worker)
    holes = {park.index - done.start for park in done.parked}
    if done.durations is None:
        n = len(done.values) - len(holes)
        spread.add_many(done.seconds / max(1, n), n)
    else:
        spread.add(seconds for at, seconds in enumerate(done.durations) if at not in holes)


def _slow_ones(done: Done, more_than_s: float) -> Iterable[Slow]:
    """The items of *done* that took longer than *more_than_s*."""
    if done.durations is None:
        return
    holes = {park.index for park in done.parked}
    for index, seconds in enumerate(done.durations, done.start):
        if seconds > more_than_s and index not in holes:
            outcome = done.notable.get(index)
            status, attempts = ("ok", 1) if outcome is None else (outcome.status, outcome.attempts)
            yield Slow(seconds, index, status, done.worker, attempts)


def _failures(found: Iterable[Outcome]) -> tuple[list[Outcome], Counter[str]]:
    first: list[Outcome] = []
    kinds: Counter[str] = Counter()
    for outcome in found:
        kinds[outcome.error_text.partition(":")[0]] += 1
        if len(first) < FAILURES:
            first.append(outcome)
    return first, kinds
