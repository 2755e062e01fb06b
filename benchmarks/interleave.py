"""One set: flowq, the ideal and one peer at one workload, in turn. Knows the clock, and nothing of any system."""

from __future__ import annotations

import gc
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

from benchmarks.comparison import Cell, Comparison, scaled
from benchmarks.stage import MIB, SLOTS, Stage, machine
from benchmarks.systems import kind
from benchmarks.systems.system import CannotRun
from benchmarks.workloads import Workload

# A slow peer is measured with fewer items, in steps of ten, so that a run of it takes no longer.
LONGEST_RUN_S = 8.0
SMALLEST = 1000
FAILED = "failed"
STORE_FACTOR = 1.2
# What looking at its counters costs, and connections that say that they are alive.
NOTHING_BYTES = MIB / 10


class Overdue(Exception):
    """A set took longer than it may."""


@dataclass
class Measured:
    """What the runs of one contender came to so far, scaled to the workload's items."""

    name: str
    way: str
    items: int
    seconds: list[float] = field(default_factory=list)
    traffic_bytes: list[float] = field(default_factory=list)


def compare(stage: Stage, workload: Workload, peer: str, way: str, rounds: int, limit_s: float) -> Iterator[Comparison]:
    """Measure one set. A shared store gives a second comparison: of the bytes through Redis."""
    ours, theirs = Measured("flowq", workload.ours, workload.items), Measured(peer, way, workload.items)
    sound, why = [ours], None
    if workload.ideal is not None and workload.ideal[0] != peer:
        sound.append(Measured(*workload.ideal, workload.items))
    try:
        with overdue_after(limit_s):
            # The peer first: where it cannot, nobody else need run.
            theirs.items = ramp(stage, theirs, workload)
            for one in sound:
                run(stage, one, workload, max(1, workload.items // 10))
            interleave(stage, [*sound, theirs], workload, rounds * workload.rounds)
    except CannotRun as exc:
        why = str(exc)
    except Exception as exc:
        # Whatever goes wrong in a peer, the others are measured: what it was stands in its cell.
        why = f"{FAILED}: {type(exc).__name__}: {exc}".partition("\n")[0][:200]
        stage.end_all()
    yield Comparison(
        workload=workload.key, what=workload.what, peer=peer, way=way, name=kind(peer).name, why=why,
        flowq=cell(ours, workload, ours.seconds) if ours.seconds else None,
        other=None if why else cell(theirs, workload, theirs.seconds),
        ideal=cell(sound[1], workload, sound[1].seconds) if sound[1:] and sound[1].seconds else None,
        machine=machine(stage.use("flowq"), "flowq", peer),
    )  # fmt: skip
    if workload.store_bytes and why is None:
        yield traffic(stage, workload, ours, theirs)
    stage.tidy()


def interleave(stage: Stage, contenders: list[Measured], workload: Workload, rounds: int) -> None:
    """Each once a round, in turn."""
    for _ in range(rounds):
        for one in contenders:
            seconds, traffic_bytes = run(stage, one, workload, one.items)
            one.seconds.append(seconds)
            one.traffic_bytes.append(traffic_bytes)


def ramp(stage: Stage, one: Measured, workload: Workload) -> int:
    """Warm it up, and find with how many items it is measured: ten times as many as long as that is not too long."""
    if not workload.shrinks:
        run(stage, one, workload, max(1, workload.items // 10))
        return workload.items
    items: int | None = max(1, workload.items // SMALLEST)
    while items is not None:
        took_s, _ = run(stage, one, workload, items)
        measured, items = items, grown(items, took_s, workload.items)
    return measured


def grown(items: int, took_s: float, wanted: int) -> int | None:
    """Ten times as many items as took so long, at most *wanted*; None: there are enough, or it would take too long."""
    more = min(items * 10, wanted)
    return more if more > items and took_s * more / items <= LONGEST_RUN_S else None


def run(stage: Stage, one: Measured, workload: Workload, items: int) -> tuple[float, int]:
    """One run: the seconds it took, and the bytes that went through its Redis. Its values are checked after the clock.

    Raises:
        CannotRun: it cannot do that.
        AssertionError: it returned something else than it should.
    """
    ask = workload.ask(items, one.way)
    with stage.turn(one.name) as running:
        gc.collect()
        before = running.traffic_bytes()
        began = time.perf_counter()
        try:
            values = ask.run(running.system)
        except (CannotRun, Overdue):
            raise
        except Exception as exc:
            raise RuntimeError(f"{one.name} could not: {type(exc).__name__}: {exc}") from exc
        seconds = time.perf_counter() - began
        traffic_bytes = running.traffic_bytes() - before
    if values != ask.expected:
        raise AssertionError(f"{one.name} returned other values at {workload.key}")
    return seconds, traffic_bytes


def cell(one: Measured, workload: Workload, values: list[float]) -> Cell:
    """Some values of its runs, scaled if they were of fewer items."""
    return Cell(
        kind(one.name).name,
        scaled(values, one.items, workload.items),
        kind(one.name).setting,
        one.items if one.items != workload.items else None,
    )


def traffic(stage: Stage, workload: Workload, ours: Measured, theirs: Measured) -> Comparison:
    """The bytes of the same runs. The bar: what the items take without a store, and the store for each process."""
    _, item_bytes = run(stage, Measured("flowq", "bare", workload.items), workload, workload.items)
    limit_bytes = item_bytes + workload.store_bytes * SLOTS * STORE_FACTOR
    used = max(theirs.traffic_bytes) > NOTHING_BYTES
    return Comparison(
        workload=workload.key, what=f"{workload.what}: bytes through Redis", peer=theirs.name, way=theirs.way,
        name=kind(theirs.name).name, unit="MiB", limit=limit_bytes / MIB,
        why=None if used else "sends nothing through Redis",
        flowq=cell(ours, workload, [each / MIB for each in ours.traffic_bytes]),
        other=cell(theirs, workload, [each / MIB for each in theirs.traffic_bytes]) if used else None,
    )  # fmt: skip


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
