"""Processes die between two I/O calls, at every place where that could lose or double something.

Real workers that SIGKILL themselves exactly there (flowq/engine/crash_points.py; tests/crashing.py for the two inside
Celery). All batches of one cluster run at once, so that their waits for leases overlap.
"""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.executor import active
from flowq.engine.batches import read_header
from flowq.engine.connection import Connections
from flowq.engine.reading.results import State, read_dones
from flowq.engine.running.aggregate import AT_ONCE_ITEMS
from flowq.errors import ConfigError
from tests import faulty
from tests.crashing import Adds, AddsAll, Armed, DeadlyToMerge
from tests.nested import Leaves, Level, notes, six_steps
from tests.nodes import Square, executions
from tests.programs import Program
from tests.submitting import submit
from tests.waiting import until

N = 60
MANY = AT_ONCE_ITEMS + N  # the aggregation of so many is a chord
IN_A_CHUNK = ("claimed", "ran", "going on", "committed", "closed")
AT_ONCE = ("reduced", "told", "confirmed")
IN_A_CHORD = ("folded", "stored", "called back")
IN_THE_AGGREGATION = (*AT_ONCE, *IN_A_CHORD)


@dataclass(frozen=True)
class Struck:
    """A batch, one of whose processes died at a crash point; seconds are from that death to the confirmation."""

    n: int
    handle: flowq.BatchHandle[Any]
    executed: Counter[int]
    state: State
    seconds: float
    found: Any
    committed: Counter[int]


@dataclass(frozen=True)
class Crashing:
    """A cluster whose processes die where *armed* says."""

    cluster: flowq.LocalCluster
    connections: Connections
    armed: Armed

    def env(self) -> dict[str, str]:
        """What a program needs to send to it and die where that is armed."""
        return {**self.armed.env, "FLOWQ_LEASE_S": str(self.connections.settings.lease_s)}


@contextmanager
def crashing(folder: Path, lease_s: float, **options: Any) -> Iterator[Crashing]:
    armed = Armed(folder / "armed")
    options = {
        "imports": ["tests.nodes", "tests.faulty", "tests.crashing", "tests.nested"],
        "env": armed.env,
        "grace_s": 0,
        **options,
    }
    with flowq.LocalCluster(lease_s=lease_s, **options) as cluster:
        connections = Connections(flowq.Settings(broker_url=cluster.broker_url, lease_s=lease_s))
        yield Crashing(cluster, connections, armed)
        connections.close()


@pytest.fixture(scope="module", params=[3.0, pytest.param(10.0, marks=pytest.mark.chaos)], ids="lease-{:g}-s".format)
def at_risk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashing]:
    """One worker with three processes."""
    with crashing(tmp_path_factory.mktemp("crashes"), request.param, workers=1, slots=3) as found:
        yield found


@pytest.fixture(scope="module")
def struck(at_risk: Crashing, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Struck]:
    """Every crash point of a worker's processes, each with a batch of its own."""
    points = [*IN_A_CHUNK, *IN_THE_AGGREGATION]
    folder, armed = tmp_path_factory.mktemp("executions"), at_risk.armed
    handles: dict[str, Any] = {}
    for point in points:
        armed.arm(point, f"at-{point.replace(' ', '-')}-")
        node, n = AddsAll(start=Adds(str(folder / point))), MANY if point in IN_A_CHORD else N
        job = node.job([{"n": n} for n in range(n)], shared={"found": []}, label=f"at {point}")
        handles[point] = active().submit(job)
    died: dict[str, float] = {}
    finished: dict[str, float] = {}

    def all_finished() -> bool:
        for point, handle in handles.items():
            if point not in died and armed.struck(point):
                died[point] = time.monotonic()
            # A process may die a moment after it has confirmed.
            if point in died and point not in finished and handle.state().confirmed == 0:
                finished[point] = time.monotonic()
        return len(finished) == len(points)

    until(all_finished, 40, "all have died at their point, and are finished")
    return {
        point: Struck(
            handle.state().avail,
            handle,
            Counter(index for index, *_ in executions(folder / point)),
            handle.state(),
            finished[point] - died[point],
            handle.result(timeout=10).delta["found"],
            Counter(one.index for done in read_dones(at_risk.connections, handle.id) for one in done.outcomes()),
        )
        for point, handle in handles.items()
    }


@pytest.mark.parametrize("point", [*IN_A_CHUNK, *IN_THE_AGGREGATION])
def test_a_process_that_dies_there_costs_seconds_and_doubles_nothing(struck: dict[str, Struck], point: str) -> None:
    one = struck[point]
    print(f"\ndied at {point!r}: finished {one.seconds:.2f} s later, {one.state.crashes} crashes")
    assert one.seconds < 15
    assert one.n == (MANY if point in IN_A_CHORD else N)
    assert one.found == ("extend", list(range(one.n)), 0)
    assert one.committed == Counter(range(one.n))
    assert (one.state.state, one.state.ok, one.state.failed) == ("succeeded", one.n, 0)
    assert (one.state.gen, one.state.confirmed) == (0, 0)


IN_FLIGHT = {"in threads": (faulty.Traced, {"in_flight": 4}), "async": (faulty.AsyncTraced, {"in_flight": 4})}


def test_it_is_the_same_where_many_items_are_in_flight(at_risk: Crashing, tmp_path: Path) -> None:
    handles = {}
    for kind, (node, options) in IN_FLIGHT.items():
        for point in ("claimed", "ran", "committed"):
            name = f"{kind} {point}"
            at_risk.armed.arm(point, name.replace(" ", "-"))
            handles[name] = submit(node(str(tmp_path / name), **options), range(N), label=name)
            until(partial(at_risk.armed.struck, point), 20, f"a process has died at {point!r}")
    for name, handle in handles.items():
        assert handle.result(timeout=30) == [i * 3 for i in range(N)]
        committed = Counter(one.index for done in read_dones(at_risk.connections, handle.id) for one in done.outcomes())
        assert committed == Counter(range(N))
        runs = faulty.runs_of(tmp_path / name)
        assert max(runs.values()) <= (1 if name.endswith("claimed") else 2)


# Where the item that waits for a batch of its own could miss that it has closed, or hear it twice.
OF_A_CHILD = [
    ("of leaves", "closed"),
    *[("of flows", point) for point in ("closed", "reduced", "told", "confirmed")],
]


def test_what_waits_for_a_batch_goes_on_once_whoever_dies_as_it_ends(at_risk: Crashing, tmp_path: Path) -> None:
    places, width = 3, 4
    handles: dict[tuple[str, str], Any] = {}
    for kind, point in OF_A_CHILD:
        name = f"kid {kind} {point}"
        at_risk.armed.arm(point, name.replace(" ", "-"))
        goes_on = Adds(str(tmp_path / name))
        child: Any = Leaves(width, name=name) if kind == "of leaves" else Level(Leaves(width), width, name=name)
        child - ("done" if kind == "of leaves" else "default") >> goes_on
        job = Level(child, places).job([{"n": n} for n in range(places)], shared={"found": []})
        handles[kind, point] = active().submit(job)
        began = time.monotonic()
        until(partial(at_risk.armed.struck, point), 20, f"a process has died at {point!r}")
        result = handles[kind, point].result(timeout=30)
        print(f"\n{kind}, died at {point!r}: went on after {time.monotonic() - began:.2f} s at most")
        assert Counter(index for index, *_ in executions(tmp_path / name)) == Counter(range(places))
        assert result.delta["found"] == ("extend", list(range(places)), 0)
        leaves = sum(i * i for i in range(width)) * (1 if kind == "of leaves" else width)
        assert result.delta["total"][1] == places * leaves


def test_a_run_goes_on_once_whoever_dies_at_whatever_point(at_risk: Crashing, tmp_path: Path) -> None:
    numbers = list(range(10))

    def begun(point: str, batches: str) -> flowq.Run:
        at_risk.armed.arm(point, batches)
        return six_steps(str(tmp_path / point)).submit({"numbers": numbers}, label=f"run {point}")

    runs = {point: begun(point, f"run-{point}-") for point in ("claimed", "ran", "kept", "committed")}
    runs["closed"] = begun("closed", "squares-")  # the batch of one of its steps
    for point, run in runs.items():
        until(partial(at_risk.armed.struck, point), 20, f"a process has died at {point!r}")
        assert run.result(timeout=30).shared["squares"] == [n * n for n in numbers]
        times = Counter(line for line in notes(tmp_path / point) if line.split()[0] in ("one", "two", "four", "six"))
        assert set(times.values()) == {1}, (point, times)


@pytest.mark.parametrize("point", ["claimed", "going on", "committed", "closed", *IN_THE_AGGREGATION])
def test_where_no_outcome_was_lost_no_item_runs_again(struck: dict[str, Struck], point: str) -> None:
    assert struck[point].executed == Counter(range(struck[point].n))


def test_outcomes_that_were_not_committed_cost_their_items_a_second_run(struck: dict[str, Struck]) -> None:
    executed = struck["ran"].executed
    assert set(executed) == set(range(N))
    assert max(executed.values()) == 2
    assert struck["ran"].state.crashes == 1


def test_a_process_that_dies_before_anybody_knows_what_it_holds_is_missed_with_its_lease(
    struck: dict[str, Struck],
) -> None:
    for point in ("claimed", "going on"):
        assert (struck[point].state.losses, struck[point].state.crashes) == (1, 0)


PUBLISHER = """
    import sys, flowq
    from flowq.engine.dispatch import publish_aggregate
    from flowq.engine.batches import read_header
    from flowq.engine.connection import Connections
    connections = Connections(flowq.Settings(broker_url=sys.argv[1]))
    for _ in range(3):
        publish_aggregate(connections, read_header(connections.redis, connections.keys, sys.argv[2]))
"""


def test_an_aggregation_that_comes_again_after_the_end_changes_nothing(
    at_risk: Crashing, struck: dict[str, Struck], tmp_path: Path
) -> None:
    connections = at_risk.connections
    header = read_header(connections.redis, connections.keys, struck["called back"].handle.id)
    folds = connections.keys.fold(header.id)
    before = struck["called back"].handle.state(), connections.redis.hgetall(folds)
    with connections.redis.pubsub(ignore_subscribe_messages=True) as told:
        told.subscribe(connections.keys.finished_channel(header.id))
        publisher = Program(tmp_path / "publisher.py", PUBLISHER, at_risk.cluster.broker_url, header.id)
        assert publisher.end() == (0, "")
        came = [until(lambda: told.get_message(timeout=1), 20, "a chord has come to its end again") for _ in range(3)]
    assert [message["data"] for message in came] == [b"succeeded 0"] * 3
    assert (struck["called back"].handle.state(), connections.redis.hgetall(folds)) == before
    assert not connections.redis.zscore(connections.keys.batches, header.id)


def test_an_aggregation_that_kills_its_process_every_time_is_given_up(at_risk: Crashing, tmp_path: Path) -> None:
    began = time.monotonic()
    store = flowq.SharedStore({"found": []}, schema=DeadlyToMerge)
    job = AddsAll(start=Adds(str(tmp_path / "executions"))).job([{"n": n} for n in range(9)], shared=store)
    handle: Any = active().submit(job)
    with pytest.raises(flowq.WorkerCrashed, match="died 5 times"):
        handle.result(timeout=60)
    print(f"\ngiven up after {time.monotonic() - began:.2f} s")
    assert handle.state().confirmed == 0
    until(lambda: not at_risk.connections.redis.llen("flowq:flowq"), 10, "nothing of it is left in the queue")
    assert Square().map(range(50)) == [i * i for i in range(50)]


PRODUCER = """
    import sys, flowq
    from flowq.batch.executor import activate
    from tests import faulty
    activate(flowq.connect(sys.argv[1]))
    faulty.Traced(sys.argv[2]).submit(range(60), key="fed once", label="at appended")
"""


def test_a_producer_that_dies_after_its_items_are_written_and_before_any_message_is_sent(
    at_risk: Crashing, tmp_path: Path
) -> None:
    oracle = str(tmp_path / "oracle")
    at_risk.armed.arm("appended", "at-appended-")
    program = Program(tmp_path / "producer.py", PRODUCER, at_risk.cluster.broker_url, oracle, env=at_risk.env())
    assert program.end()[0] == -signal.SIGKILL
    began = time.monotonic()
    handle = submit(faulty.Traced(oracle), range(60), key="fed once", label="at appended")
    assert handle.result(timeout=30) == [i * 3 for i in range(60)]
    print(f"\ndied at 'appended': finished {time.monotonic() - began:.2f} s later")
    assert faulty.runs_of(oracle) == Counter(range(60))
    assert handle.state().avail == 60


@pytest.mark.chaos
def test_a_worker_that_dies_between_making_chunks_ready_and_publishing_them(tmp_path: Path) -> None:
    oracle = str(tmp_path / "oracle")
    with crashing(tmp_path, 1.0, workers=1, slots=1) as at_risk:
        cluster, armed = at_risk.cluster, at_risk.armed
        armed.arm("freed", "at-freed-")
        handle = submit(faulty.Traced(oracle, seconds=0.4), range(12), label="at freed")
        (first,) = until(lambda: faulty.trace(oracle), 10, "an item has begun")
        os.kill(first.pid, signal.SIGKILL)
        until(lambda: not cluster.workers[0].process.running, 10, "the worker died as it gave the chunk back")
        armed.arm("woken", "at-freed-")
        with suppress(ConfigError):  # it may be before the worker has said that it is ready
            cluster.add_worker()
        until(lambda: not cluster.workers[1].process.running, 20, "the next one died as it had woken the chunk")
        began = time.monotonic()
        cluster.add_worker()
        assert handle.result(timeout=60) == [i * 3 for i in range(12)]
        print(f"\ndied at 'freed' and 'woken': finished {time.monotonic() - began:.2f} s later")
        connections = at_risk.connections
        committed = Counter(one.index for done in read_dones(connections, handle.id) for one in done.outcomes())
    assert committed == Counter(range(12))
    assert max(faulty.runs_of(oracle).values()) == 2
