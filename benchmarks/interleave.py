"""One set: flowq, the ideal and some peers at one workload, in turn. Knows the clock, and nothing of any system."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from benchmarks.comparison import Cell, Comparison, scaled
from benchmarks.stage import MIB, SLOTS, Stage, machine
from benchmarks.systems import WITHOUT_EXTRA, kind
from benchmarks.systems.system import CannotRun
from benchmarks.workloads import Workload

# A slow peer is measured with fewer items, so that a run of it takes no longer.
LONGEST_RUN_S = 2.0
SMALLEST = 1000
STEPS = (10, 5, 2)
FAILED = "failed"
STORE_FACTOR = 1.2
# What looking at its counters costs, and connections that say that they are alive.
NOTHING_BYTES = MIB / 10
BYTES = "bytes through Redis"


class Overdue(Exception):
    """A run took longer than it may."""


@dataclass
class Contender:
    """Who takes part in a set, in which way, and what its runs came to so far.

    Attributes:
        items: how many it is measured with.
        seconds, traffic_bytes: one a run, of so many items.
        why: why it is out, in words for its cell; None: it is not.
    """

    name: str
    way: str
    items: int
    seconds: list[float] = field(default_factory=list)
    traffic_bytes: list[float] = field(default_factory=list)
    why: str | None = None

    @property
    def measured(self) -> bool:
        """Whether all its runs were."""
        return self.why is None and bool(self.seconds)


@dataclass(frozen=True)
class Contest:
    """A set that is under way: how long one run of anybody may take, and where they run."""

    stage: Stage
    workload: Workload
    limit_s: float

    def prepare(self, one: Contender, *, whole: bool) -> None:
        """Warm it up; unless it is measured with the *whole* of the items, find how many of them it can."""
        with self.out_if_it_fails(one):
            if whole:
                self.run(one, max(1, self.workload.items // 10))
            else:
                one.items = self.ramp(one)

    def ramp(self, one: Contender) -> int:
        """With how many items it is measured: more and more, as long as that does not take too long."""
        if not self.workload.shrinks:
            self.run(one, max(1, self.workload.items // 10))
            return self.workload.items
        least_of_it = self.workload.least_of.get((one.name, one.way), 1)
        items = max(self.workload.items // SMALLEST, self.workload.least, least_of_it)
        # Warm, so that what it does once does not count.
        self.run(one, items)
        while True:
            took_s, _ = self.run(one, items)
            more = grown(items, took_s, self.workload.items)
            if more is None:
                return items
            items = more

    def interleave(self, contenders: Sequence[Contender], rounds: int) -> None:
        """Each once a round, in turn; who fails is out, and the others go on."""
        for _ in range(rounds):
            for one in contenders:
                if one.why is None:
                    with self.out_if_it_fails(one):
                        seconds, traffic_bytes = self.run(one, one.items)
                        one.seconds.append(seconds)
                        one.traffic_bytes.append(traffic_bytes)

    def run(self, one: Contender, items: int) -> tuple[float, int]:
        """One run: the seconds it took, and the bytes through its Redis. Its values are checked after the clock.

        Raises:
            CannotRun: it cannot do that.
            AssertionError: it returned something else than it should.
            Overdue: it took too long.
        """
        ask = self.workload.ask(items, one.way)
        # Not within the limit: what a signal raises in a callback of the collector is lost.
        gc.collect()
        with overdue_after(self.limit_s), self.stage.turn(one.name) as running:
            before = running.traffic_bytes()
            began = time.perf_counter()
            values = ask.run(running.system)
            seconds = time.perf_counter() - began
            traffic_bytes = running.traffic_bytes() - before
        if values != ask.expected:
            raise AssertionError(f"{one.name} returned other values at {self.workload.key}")
        return seconds, traffic_bytes

    @contextmanager
    def out_if_it_fails(self, one: Contender) -> Iterator[None]:
        """Whatever goes wrong with one of them, the others are measured: what it was stands in its cell."""
        try:
            yield
        except CannotRun as exc:
            one.why = str(exc)
        except Exception as exc:
            one.why = f"{FAILED}: {type(exc).__name__}: {exc}".partition("\n")[0][:200]
            self.stage.end(one.name)

    def cell(self, one: Contender, values: Sequence[float]) -> Cell:
        """Some values of its runs, scaled if they were of fewer items."""
        return Cell(
            kind(one.name).name,
            scaled(values, one.items, self.workload.items),
            kind(one.name).setting,
            one.items if one.items != self.workload.items else None,
        )

    def beside(self, ours: Contender, ideal: Contender | None, theirs: Contender) -> Comparison:
        """flowq's runs and those of one peer."""
        why = theirs.why or (f"{FAILED} beside flowq, which {ours.why}" if ours.why else None)
        allowed = ideal if ideal is not None and ideal.measured and ideal.name != theirs.name else None
        return Comparison(
            workload=self.workload.key, what=self.workload.what, peer=theirs.name, way=theirs.way,
            name=kind(theirs.name).name, why=why,
            flowq=self.cell(ours, ours.seconds) if why is None else None,
            other=self.cell(theirs, theirs.seconds) if why is None else None,
            ideal=self.cell(allowed, allowed.seconds) if why is None and allowed is not None else None,
            machine=machine(self.stage.use("flowq"), "flowq", theirs.name),
        )  # fmt: skip

    def traffic(self, ours: Contender) -> Comparison:
        """The bytes of flowq's runs. The bar: what the items take without a store, and the store for each process."""
        _, item_bytes = self.run(Contender("flowq", "bare", self.workload.items), self.workload.items)
        limit_bytes = item_bytes + self.workload.store_bytes * SLOTS * STORE_FACTOR
        return Comparison(
            workload=self.workload.key, what=f"{self.workload.what}: {BYTES}", peer="nobody", way="", name="–",
            unit="MiB", flowq=self.cell(ours, [each / MIB for each in ours.traffic_bytes]), limit=limit_bytes / MIB,
            machine=machine(self.stage.use("flowq"), "flowq"),
        )  # fmt: skip

    def traffic_beside(self, ours: Contender, theirs: Contender) -> Comparison:
        """Those and a peer's."""
        used = max(theirs.traffic_bytes) > NOTHING_BYTES
        return Comparison(
            workload=self.workload.key, what=f"{self.workload.what}: {BYTES}", peer=theirs.name, way=theirs.way,
            name=kind(theirs.name).name, unit="MiB", why=None if used else "sends nothing through Redis",
            flowq=self.cell(ours, [each / MIB for each in ours.traffic_bytes]),
            other=self.cell(theirs, [each / MIB for each in theirs.traffic_bytes]) if used else None,
        )  # fmt: skip


def compare(
    stage: Stage, workload: Workload, rivals: Sequence[tuple[str, str]], rounds: int, limit_s: float
) -> Iterator[Comparison]:
    """Measure one set: each of *rivals*, peers and their ways, beside flowq, and beside the ideal where it takes part.

    That is with the peers that need no extra: once is enough, and it would be a sixth of all the time. A shared store
    gives further comparisons: of the bytes through Redis.
    """
    contest = Contest(stage, workload, limit_s)
    ours = Contender("flowq", workload.ours, workload.items)
    theirs = [Contender(peer, way, workload.items) for peer, way in rivals]
    ideal = next((one for one in theirs if (one.name, one.way) == workload.ideal), None)
    # The peers first: where none of them can, nobody else need run.
    for one in theirs:
        contest.prepare(one, whole=one is ideal)
    if any(one.why is None for one in theirs):
        sound = [ours, *theirs]
        contest.prepare(ours, whole=True)
        if ideal is None and workload.ideal is not None and any(one.name in WITHOUT_EXTRA for one in theirs):
            ideal = Contender(*workload.ideal, workload.items)
            contest.prepare(ideal, whole=True)
            sound.insert(1, ideal)
        contest.interleave(sound, rounds * workload.rounds)
    for one in theirs:
        yield contest.beside(ours, ideal, one)
    if workload.store_bytes and ours.measured:
        yield contest.traffic(ours)
        for one in theirs:
            if one.measured:
                yield contest.traffic_beside(ours, one)
    stage.tidy()


def grown(items: int, took_s: float, wanted: int) -> int | None:
    """The most items that take no longer than they may, if so many took so long; None: these are as many as can be."""
    for step in STEPS:
        more = min(items * step, wanted)
        if more > items and took_s * more / items <= LONGEST_RUN_S:
            return more
    return None


@contextmanager
def overdue_after(seconds: float) -> Iterator[None]:
    """Raises `Overdue` in the main thread when the block takes longer: a peer that hangs must not hang the others."""

    def overdue(signum: int, frame: FrameType | None) -> None:
        raise Overdue(f"not done within {seconds:g} s")

    before = signal.signal(signal.SIGALRM, overdue)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
