"""What a batch survives: killed workers and processes, frozen ones, lost and doubled messages, producers that fork.

Real workers, real signals. The oracle is the trace of executions (tests/faulty.py), and the outcomes recounted.
"""

from __future__ import annotations

import ast
import json
import os
import random
import re
import signal
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.executor import active
from flowq.client.executor import CeleryExecutor
from flowq.engine.connection import Connections
from flowq.engine.reading.results import read_dones, read_state
from flowq.engine.running.aggregate import AT_ONCE_ITEMS
from flowq.local.local_worker import LocalWorker
from tests import faulty, nested, nodes
from tests.faulty import Execution, runs_of, trace
from tests.programs import Program
from tests.submitting import counters, submit
from tests.waiting import until

StartProgram = Callable[..., Program]

IMPORTS = ["tests.nodes", "tests.faulty", "tests.nested"]
LEASE_S = 3.0
# A lease, the caretaker's next round, and a slot that falls free.
RUNS_AGAIN_WITHIN_S = 6.0


def new_cluster(*, workers: int, slots: int, lease_s: float = LEASE_S) -> flowq.LocalCluster:
    return flowq.LocalCluster(workers=workers, slots=slots, lease_s=lease_s, imports=IMPORTS, grace_s=0)


@pytest.fixture
def oracle(tmp_path: Path) -> str:
    return str(tmp_path / "executions")


@pytest.fixture
def program(tmp_path: Path) -> Iterator[StartProgram]:
    """Start a program from its source and its arguments."""
    started: list[Program] = []

    def start(source: str, *arguments: str) -> Program:
        started.append(Program(tmp_path / f"program_{len(started)}.py", source, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.abandon()


def fleet(cluster: flowq.LocalCluster) -> Connections:
    return Connections(flowq.Settings(broker_url=cluster.broker_url, lease_s=LEASE_S))


def committed(cluster: flowq.LocalCluster, batch_id: str) -> Counter[int]:
    """How many commits say what became of each index."""
    counts: Counter[int] = Counter()
    connections = fleet(cluster)
    for done in read_dones(connections, batch_id):
        counts.update(outcome.index for outcome in done.outcomes())
    connections.close()
    return counts


def once_each(n: int) -> Counter[int]:
    return Counter(range(n))


def in_hand(oracle: str, worker: LocalWorker) -> list[Execution]:
    """What *worker* is executing, as far as it has told."""
    return [one for one in trace(oracle) if one.ended is None and group_of(one.pid) == worker.pid]


def group_of(pid: int) -> int:
    """The process group of *pid*: its worker's pid; 0 once it is gone."""
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def freeze_with_items_in_hand(oracle: str, worker: LocalWorker) -> list[int]:
    """SIGSTOP a worker and its children while they execute items; answers these."""

    def frozen_in_the_middle() -> list[int]:
        worker.kill(signal.SIGSTOP)
        held = [one.index for one in in_hand(oracle, worker)]
        if not held:
            worker.kill(signal.SIGCONT)
        return held

    return until(frozen_in_the_middle, 10, f"{worker.name} executes items")


def kill_with_items_in_hand(oracle: str, worker: LocalWorker) -> tuple[list[int], float]:
    """SIGKILL a worker and its children while they execute items; these, and when it was."""
    held = freeze_with_items_in_hand(oracle, worker)
    killed_at = time.time()
    worker.kill()
    return held, killed_at


def test_five_workers_lost_in_one_batch_cost_seconds_and_no_item(oracle: str) -> None:
    all_lost = threading.Event()

    def items() -> Iterator[int]:
        """As many as it takes: on a busy machine a worker is long in coming."""
        given = 0
        while not all_lost.is_set():
            until(lambda given=given: given < len(runs_of(oracle)) + 30 or all_lost.is_set(), 60)
            yield given
            given += 1

    with new_cluster(workers=3, slots=1) as cluster:
        handle = submit(faulty.Traced(oracle, seconds=0.05), items())
        kills = []
        for number in range(5):
            kills.append(kill_with_items_in_hand(oracle, cluster.workers[number]))
            cluster.add_worker()
        all_lost.set()
        until(lambda: handle.state().sealed, 10, "all items are written")
        n = handle.state().avail
        assert handle.result(timeout=60) == [i * 3 for i in range(n)]
        assert committed(cluster, handle.id) == once_each(n)
        state = handle.state()
    assert (state.ok, state.failed) == (n, 0)
    assert state.losses >= 5
    assert state.crashes == 0
    for held, killed_at in kills:
        again = [one.began - killed_at for one in trace(oracle) if one.index in held and one.began > killed_at]
        assert again, f"items {held} were never run again"
        assert min(again) < RUNS_AGAIN_WITHIN_S


def test_an_item_of_three_leases_runs_once_whatever_it_does_and_whoever_dies_meanwhile(tmp_path: Path) -> None:
    long = {kind: str(tmp_path / kind.__name__) for kind in (faulty.Traced, faulty.AsyncTraced, faulty.HoldsTheGil)}
    short, lease_s = str(tmp_path / "short"), 2.0
    with new_cluster(workers=1, slots=3, lease_s=lease_s) as cluster:
        handles = [submit(kind(path, seconds=3 * lease_s), [7]) for kind, path in long.items()]
        until(lambda: all(trace(path) for path in long.values()), 5, "all three are running")
        cluster.add_worker()
        beside = submit(faulty.Traced(short, seconds=0.05), range(60))
        kill_with_items_in_hand(short, cluster.workers[1])
        cluster.add_worker()
        assert beside.result(timeout=30) == [i * 3 for i in range(60)]
        assert [handle.result(timeout=30) for handle in handles] == [[21]] * 3
        assert [handle.state().losses for handle in handles] == [0, 0, 0]
    for kind, path in long.items():
        (only,) = trace(path)
        assert only.ended is not None
        assert only.ended - only.began > 2 * lease_s, f"{kind.__name__} was not long enough to prove anything"


@pytest.fixture(scope="module")
def pair() -> Iterator[flowq.LocalCluster]:
    """One worker with two slots, for tests that leave it alive."""
    with new_cluster(workers=1, slots=2) as cluster:
        yield cluster


def test_a_queue_deleted_in_the_middle_costs_a_lease(pair: flowq.LocalCluster, oracle: str) -> None:
    connections = fleet(pair)
    handle = submit(faulty.Traced(oracle, seconds=0.02), range(100))
    until(lambda: handle.progress().done > 10, 5, "some are done")
    assert until(lambda: connections.redis.delete(queue_of(connections)), 5, "a message lies in the queue") == 1
    assert handle.result(timeout=30) == [i * 3 for i in range(100)]
    assert committed(pair, handle.id) == once_each(100)
    connections.close()


class Doubled:
    """Every message that goes to the queue of *cluster* within the block goes there a second time, the very same.

    In random order: it is kept for a while, and comes before or behind what lies in the queue; the last ones come when
    the block has ended.

    Attributes:
        tasks: how many there were of each batch's, by task.
    """

    def __init__(self, cluster: flowq.LocalCluster) -> None:
        self._connections = fleet(cluster)
        self._queue = queue_of(self._connections)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._seen: set[str] = set()
        self._kept: list[bytes] = []
        self._random = random.Random(7)
        self.tasks: defaultdict[str, Counter[str]] = defaultdict(Counter)

    def __enter__(self) -> Doubled:
        self._monitor = self._connections.redis.connection_pool.get_connection()
        self._monitor.send_command("MONITOR")
        assert self._monitor.read_response() == b"OK"
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        self._monitor.disconnect()
        while self._kept:
            self._send_one()
        until(lambda: nothing_is_under_way(self._connections), 20, "the doubled messages were taken too")
        self._connections.close()

    def _run(self) -> None:
        while self._monitor.can_read(timeout=0.05) or not self._stop.is_set():
            if not self._monitor.can_read(timeout=0.0):
                continue
            quoted = re.findall(rb'"(?:[^"\\]|\\.)*"', self._monitor.read_response())
            command, *values = [ast.literal_eval(f"b{text.decode()}") for text in quoted]
            if command == b"LPUSH" and values[0] == self._queue.encode():
                self._double(values[1])

    def _double(self, message: bytes) -> None:
        told = json.loads(message)
        tag = told["properties"]["delivery_tag"]
        if tag in self._seen:
            return  # our own
        self._seen.add(tag)
        self.tasks[told["headers"]["kwargsrepr"]][told["headers"]["task"]] += 1
        self._kept.append(message)
        while self._kept and self._random.random() < 0.6:
            self._send_one()

    def _send_one(self) -> None:
        message = self._kept.pop(self._random.randrange(len(self._kept)))
        push = self._random.choice([self._connections.redis.lpush, self._connections.redis.rpush])
        push(self._queue, message)


def queue_of(connections: Connections) -> str:
    """The Redis list that the workers consume."""
    return f"{connections.settings.prefix}:{connections.settings.queue}"


def nothing_is_under_way(connections: Connections) -> bool:
    """Whether every message was delivered and acknowledged."""
    unacked = f"{connections.settings.prefix}:unacked"
    return not connections.redis.exists(queue_of(connections), unacked)


def test_messages_that_arrive_twice_in_random_order_change_nothing(pair: flowq.LocalCluster) -> None:
    def batch(seconds: float) -> flowq.BatchHandle[int]:
        return submit(nodes.Picky(seconds, on_error="collect", chunk_size=1), range(24))

    alone = batch(0.0)
    expected = alone.result(timeout=30)
    with Doubled(pair) as doubled:
        # Items so long that each has a message of its own: with shorter ones a process goes on by itself.
        handle = batch(0.2)
        result = handle.result(timeout=30)
    assert doubled.tasks[handle.id]["flowq.chunk"] >= 20
    assert result == expected
    assert [one.status for one in result.items] == [one.status for one in expected.items]
    assert counters(handle.state()) == counters(alone.state())
    assert committed(pair, handle.id) == once_each(24)


def test_an_aggregation_whose_messages_arrive_twice_in_random_order_has_its_effect_once(
    pair: flowq.LocalCluster,
) -> None:
    connections = fleet(pair)
    n = AT_ONCE_ITEMS + 100
    shared: dict[str, Any] = {"base": 10, "count": n, "log": ["before"]}
    with Doubled(pair) as doubled:
        nodes.count_all(chunk_size=100).run(shared)
    (batch_id,) = [one for one in doubled.tasks if one.startswith("countall")]
    assert set(doubled.tasks[batch_id]) == {"flowq.chunk", "flowq.fold", "flowq.finish"}
    assert shared["found"] == [10 + i for i in range(n)]
    assert shared["log"] == ["before", *range(0, n, 2)]
    state = read_state(connections, batch_id)
    assert (state.ok, state.gen, state.confirmed) == (n, 0, 0)
    connections.close()


def test_a_run_whose_messages_arrive_twice_in_random_order_takes_each_step_once(
    pair: flowq.LocalCluster, tmp_path: Path
) -> None:
    def run(name: str) -> flowq.Run:
        return nested.six_steps(str(tmp_path / name)).submit({"numbers": list(range(40))})

    alone = run("alone")
    expected = alone.result(timeout=30)
    with Doubled(pair) as doubled:
        twice = run("twice")
        result = twice.result(timeout=30)
    # An aggregation of another test's batch may come by.
    seen = [one for one in doubled.tasks if one.startswith(("sixsteps", "squares"))]
    assert len(seen) == 2, "the run's own, and those of the batch of one of its steps"
    assert doubled.tasks[twice.id]["flowq.chunk"]
    assert (dict(result.shared), result.action) == (dict(expected.shared), expected.action)
    assert [(one.number, one.node) for one in twice.history()] == [(one.number, one.node) for one in alone.history()]
    assert Counter(nested.notes(tmp_path / "twice")) == Counter(nested.notes(tmp_path / "alone"))
    states = [read_state(fleet(pair), one.id) for one in (alone, twice)]
    assert counters(states[0]) == counters(states[1])


def test_a_small_batch_is_aggregated_by_the_process_that_closes_it_though_its_messages_arrive_twice(
    pair: flowq.LocalCluster,
) -> None:
    connections = fleet(pair)
    shared: dict[str, Any] = {"base": 10, "count": 100, "log": ["before"]}
    with Doubled(pair) as doubled:
        nodes.count_all(chunk_size=1).run(shared)
    (batch_id,) = [one for one in doubled.tasks if one.startswith("countall")]
    assert set(doubled.tasks[batch_id]) == {"flowq.chunk"}
    assert shared["found"] == [10 + n for n in range(100)]
    assert shared["log"] == ["before", *range(0, 100, 2)]
    until(lambda: read_state(connections, batch_id).confirmed == 0, 10, "the confirmation")
    connections.close()


def test_a_source_that_ends_after_its_last_item_is_done_has_its_batch_aggregated_by_its_producer(
    pair: flowq.LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is this process that closes the batch; nobody would look at it for ten minutes."""
    executor = active()
    assert isinstance(executor, CeleryExecutor)
    ledger = executor.connections.ledger
    monkeypatch.setattr(ledger, "times", replace(ledger.times, aggregate_ms=600_000))
    handles: list[Any] = []

    def items() -> Iterator[dict[str, int]]:
        yield from ({"n": n} for n in range(20))
        until(lambda: handles and handles[0].progress().done == 20, 20, "the end of all items")

    handles.append(executor.submit(nodes.count_all().job(items(), shared={"base": 10, "log": []})))
    assert handles[0].result(timeout=30).delta["found"] == ("extend", [10 + n for n in range(20)], 0)


def test_an_aggregation_that_is_lost_with_the_whole_fleet_comes_with_the_next_worker() -> None:
    with new_cluster(workers=1, slots=2) as cluster:
        total, shared = AT_ONCE_ITEMS + 400, {"base": 10, "log": ["before"]}
        job = nodes.count_all().job([{"n": n} for n in range(total)], shared=shared)
        handle = active().submit(job)
        assert handle.wait(30)
        cluster.kill_worker(0)
        cluster.add_worker()
        found = handle.result().delta["found"]
        state = read_state(fleet(cluster), handle.id)
    assert found == ("extend", [10 + n for n in range(total)], 0)
    assert (state.ok, state.confirmed) == (total, 0)


ONE_BY_ONE: dict[str, Any] = {}
IN_FLIGHT: dict[str, Any] = {"in_flight": 4}


@pytest.mark.parametrize(
    ("node", "options"),
    [(faulty.Traced, ONE_BY_ONE), (faulty.Traced, IN_FLIGHT), (faulty.AsyncTraced, IN_FLIGHT)],
    ids=["one by one", "in threads", "async"],
)
def test_a_process_killed_alone_is_a_crash_and_its_items_run_once_more(
    pair: flowq.LocalCluster, oracle: str, node: type[faulty.Traced], options: dict[str, Any]
) -> None:
    n = 150
    handle = submit(node(oracle, seconds=0.02, **options), range(n))

    def frozen_in_the_middle() -> int | None:
        for one in trace(oracle):
            if one.ended is None:
                os.kill(one.pid, signal.SIGSTOP)
                if any(again.pid == one.pid and again.ended is None for again in trace(oracle)):
                    return one.pid
                os.kill(one.pid, signal.SIGCONT)
        return None

    os.kill(until(frozen_in_the_middle, 5, "a process runs an item"), signal.SIGKILL)
    assert handle.result(timeout=30) == [i * 3 for i in range(n)]
    assert committed(pair, handle.id) == once_each(n)
    state = handle.state()
    assert state.crashes >= 1
    assert state.losses == 0
    assert max(runs_of(oracle).values()) == 2


def test_a_worker_frozen_for_longer_than_its_lease_does_no_harm_when_it_goes_on(oracle: str) -> None:
    n = 120
    with new_cluster(workers=2, slots=1) as cluster:
        handle = submit(faulty.Traced(oracle, seconds=0.03), range(n))
        frozen = cluster.workers[0]
        held = freeze_with_items_in_hand(oracle, frozen)
        until(lambda: handle.state().losses, 10, "its lease lapses")
        until(
            lambda: all(runs_of(oracle)[index] == 2 for index in held), RUNS_AGAIN_WITHIN_S, "its item runs elsewhere"
        )
        frozen.kill(signal.SIGCONT)
        assert handle.result(timeout=30) == [i * 3 for i in range(n)]
        assert committed(cluster, handle.id) == once_each(n)
        assert frozen.ready
        # It goes on working, as a worker like any other.
        began = time.time()
        more = submit(faulty.Traced(oracle, seconds=0.03), range(n, n + 50))
        assert more.result(timeout=30) == [i * 3 for i in range(n, n + 50)]
        assert any(group_of(one.pid) == frozen.pid for one in trace(oracle) if one.began > began)
    assert max(runs_of(oracle).values()) <= 2


@pytest.mark.parametrize(
    ("node", "options", "deadly"),
    [
        (faulty.Deadly, ONE_BY_ONE, [17, 18]),
        (faulty.Deadly, IN_FLIGHT, [17]),
        (faulty.AsyncDeadly, IN_FLIGHT, [17, 18]),
    ],
    ids=["one by one", "in threads", "async"],
)
def test_items_that_kill_their_process_every_time_fail_alone(
    pair: flowq.LocalCluster, oracle: str, node: type[faulty.Deadly], options: dict[str, Any], deadly: list[int]
) -> None:
    n = 60
    handle = submit(node(oracle, deadly, seconds=0.005, on_error="collect", **options), range(n))
    result = handle.result(timeout=60)
    assert {index: type(error) for index, error in result.errors.items()} == dict.fromkeys(deadly, flowq.WorkerCrashed)
    assert "item 17" in str(result.errors[17])
    assert [value for index, value in enumerate(result) if index not in deadly] == [
        i * 3 for i in range(n) if i not in deadly
    ]
    assert committed(pair, handle.id) == once_each(n)
    runs = runs_of(oracle)
    assert all(runs[index] <= 3 for index in deadly)
    assert all(count <= 2 for index, count in runs.items() if index not in deadly)
    assert handle.state().losses == 0


@pytest.mark.parametrize("options", [{"chunk_size": 1}, {"in_flight": 20}], ids=["one by one", "in threads"])
def test_an_item_that_ends_what_runs_it_with_an_error_fails_alone_and_no_lease_lapses(
    pair: flowq.LocalCluster, oracle: str, options: dict[str, Any]
) -> None:
    n, breaking = 60, [17]
    handle = submit(faulty.BreaksOff(oracle, breaking, on_error="collect", **options), range(n))
    result = handle.result(timeout=30)
    assert {index: type(error) for index, error in result.errors.items()} == {17: flowq.RemoteError}
    assert "GeneratorExit" in str(result.errors[17])
    assert [value for index, value in enumerate(result) if index != 17] == [i * 3 for i in range(n) if i != 17]
    assert committed(pair, handle.id) == once_each(n)
    runs = runs_of(oracle)
    assert runs.pop(17) <= 3
    assert max(runs.values()) <= 2
    assert (handle.state().losses, handle.state().crashes > 0) == (0, True)
    logs = "".join(Path(worker.log_path).read_text() for worker in pair.workers)
    assert "a chunk broke off" in logs
    assert "GeneratorExit" in logs


def test_after_a_crash_items_of_a_chunk_over_two_pages_are_still_themselves(
    pair: flowq.LocalCluster, oracle: str
) -> None:
    n, deadly = 1000, 570  # pages begin at 0, 64 and 576, the deadly item's chunk is 564 … 664
    handle = submit(faulty.Deadly(oracle, [deadly], seconds=0.0, on_error="collect", chunk_size=100), range(n))
    result = handle.result(timeout=60)
    assert list(result.errors) == [deadly]
    assert [value for index, value in enumerate(result) if index != deadly] == [i * 3 for i in range(n) if i != deadly]
    assert committed(pair, handle.id) == once_each(n)


def test_an_item_that_waits_for_its_next_try_holds_no_slot(oracle: str) -> None:
    with new_cluster(workers=1, slots=1) as cluster:
        node = faulty.TriesAgain(oracle, failing=[0], seconds=0.05, max_retries=2, wait=2)
        handle = submit(node, range(21))
        result = handle.result(timeout=30)
        assert committed(cluster, handle.id) == once_each(21)
    assert result == [1] + [0] * 20
    assert [outcome.attempts for outcome in result.items] == [2] + [1] * 20
    first, second = [one for one in trace(oracle) if one.index == 0]
    assert first.ended is not None
    assert second.began - first.ended >= 2
    others = [one for one in trace(oracle) if one.index > 0]
    assert len(others) == 20
    assert all(first.ended <= one.began and one.ended is not None and one.ended <= second.began for one in others)


@pytest.mark.parametrize("options", [{}, {"rate": "1000/s"}], ids=["plain", "with a rate"])
def test_short_waits_for_next_tries_hold_a_slot_for_a_second_in_all(oracle: str, options: dict[str, Any]) -> None:
    n, failing = 60, range(0, 60, 3)
    with new_cluster(workers=1, slots=1) as cluster:
        node = faulty.TriesAgain(oracle, failing=failing, seconds=0.02, max_retries=2, wait=0.9, **options)
        handle = submit(node, range(n))
        assert handle.result(timeout=60) == [int(index in failing) for index in range(n)]
        assert committed(cluster, handle.id) == once_each(n)
    runs = sorted(trace(oracle), key=lambda one: one.began)
    slept = [one.index for one, following in pairwise(runs) if one.index == following.index]
    assert len(slept) <= 2, "after these waits of 0.9 s, all others were waits without a slot"


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (faulty.TriesAgain, {"in_flight": 2}),
        (faulty.TriesAgain, {"in_flight": 2, "rate": "1000/s"}),
        (faulty.AsyncTriesAgain, {"in_flight": 10, "concurrency": 2}),
    ],
    ids=["plain", "with a rate", "under a concurrency"],
)
def test_short_waits_for_next_tries_take_no_places_of_items_in_flight(
    oracle: str, kind: type[faulty.TriesAgain], options: dict[str, Any]
) -> None:
    n, failing = 60, range(0, 60, 3)
    with new_cluster(workers=1, slots=1) as cluster:
        node = kind(oracle, failing=failing, seconds=0.02, max_retries=2, wait=0.9, **options)
        handle = submit(node, range(n))
        assert handle.result(timeout=60) == [int(index in failing) for index in range(n)]
        assert committed(cluster, handle.id) == once_each(n)
    runs = sorted(trace(oracle), key=lambda one: one.began)
    tries = {index: [one for one in runs if one.index == index] for index in failing}
    waits = [(first.ended, second.began) for first, second in tries.values()]
    at_once = [sum(began is not None and began <= at < ended for began, ended in waits) for at, _ in waits if at]
    assert max(at_once) > 4, "there are two places"


def test_many_items_that_wait_for_their_next_try_go_on_as_soon_as_they_are_due(
    pair: flowq.LocalCluster, oracle: str
) -> None:
    n = 100
    node = faulty.TriesAgain(oracle, failing=list(range(n)), seconds=0.0, max_retries=2, wait=1.1)
    assert submit(node, range(n)).result(timeout=60) == [1] * n
    again = [one.began for one in trace(oracle) if one.attempt == 1]
    assert len(again) == n
    # All were due within a moment. Each caretaker's round has room for four of them: 25 s.
    assert max(again) - min(again) < 5


def test_tries_outlive_the_workers_that_made_them(oracle: str) -> None:
    with new_cluster(workers=1, slots=1) as cluster:
        node = faulty.TriesAgain(oracle, failing=[1], failures=2, last_s=0.5, max_retries=3, wait=1.1)
        handle = submit(node, range(3))
        until(lambda: (handle.state().parked, handle.state().ok) == (1, 2), 10, "one item waits, the others are done")
        cluster.kill_worker(0)
        cluster.add_worker()
        until(lambda: in_hand(oracle, cluster.workers[1]) and runs_of(oracle)[1] == 3, 20, "its last try has begun")
        cluster.kill_worker(1)
        cluster.add_worker()
        result = handle.result(timeout=30)
        assert committed(cluster, handle.id) == once_each(3)
    assert result == [0, 2, 0]
    assert result.items[1].attempts == 3
    assert [one.attempt for one in trace(oracle) if one.index == 1] == [0, 1, 2, 2]


def test_a_batch_submitted_twice_under_one_key_is_one_batch(pair: flowq.LocalCluster, oracle: str) -> None:
    node = faulty.Traced(oracle, seconds=0.02)
    first = submit(node, range(40), key="2024-05-01")
    second = submit(node, range(40), key="2024-05-01")
    assert second.id == first.id
    assert first.result(timeout=30) == second.result(timeout=30) == [i * 3 for i in range(40)]
    # Also once it has ended.
    assert submit(node, range(40), key="2024-05-01").result(timeout=30) == [i * 3 for i in range(40)]
    assert runs_of(oracle) == once_each(40)


PRODUCER = """
    import sys, flowq
    from flowq.batch.executor import activate
    from tests import faulty
    activate(flowq.connect(sys.argv[1]))
    handle = faulty.Traced(sys.argv[2], seconds=0.02).submit((i for i in range(100)), key="one for all")
    print(handle.id, sum(handle.result(timeout=30)), flush=True)
"""


def test_processes_that_submit_under_one_key_at_once_share_a_batch(
    pair: flowq.LocalCluster, oracle: str, program: StartProgram
) -> None:
    producers = [program(PRODUCER, pair.broker_url, oracle) for _ in range(3)]
    told = {one.line() for one in producers}
    assert [one.end() for one in producers] == [(0, "")] * 3
    ((batch_id, total),) = [line.split() for line in told]
    assert int(total) == sum(i * 3 for i in range(100))
    assert runs_of(oracle) == once_each(100)
    assert committed(pair, batch_id) == once_each(100)


def test_a_producer_that_dies_half_way_is_relieved_by_one_that_waits_under_its_key(
    pair: flowq.LocalCluster, oracle: str, program: StartProgram
) -> None:
    dies = program(
        """
        import os, sys, flowq
        from flowq.batch.executor import activate
        from tests import faulty
        def items():
            yield from range(50)
            input()  # for ever: the test holds on to the other end
            yield 50
        activate(flowq.connect(sys.argv[1]))
        handle = faulty.Traced(sys.argv[2], seconds=0.005).submit(items(), key="relieved")
        print(handle.id, flush=True)
        handle.wait()
        """,
        pair.broker_url,
        oracle,
    )
    dies.line()
    handle = submit(faulty.Traced(oracle, seconds=0.005), (i for i in range(100)), key="relieved")
    until(lambda: handle.state().ok == 50, 10, "what the first producer has written is done")
    assert not handle.state().sealed
    dies.signal(signal.SIGKILL)
    dies.end()
    # As the caretaker does once the producer has not beaten for 10 s.
    connections = fleet(pair)
    connections.redis.zrem(connections.keys.of(handle.id, "wake"), "feed")
    connections.close()
    assert handle.result(timeout=30) == [i * 3 for i in range(100)]
    assert runs_of(oracle) == once_each(100)


def test_a_producer_and_its_forked_children_all_submit(pair: flowq.LocalCluster, program: StartProgram) -> None:
    one = program(
        """
        import os, sys, warnings, flowq
        from flowq.batch.executor import activate
        from tests import nodes
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12, of any fork beside threads
        def work(by):
            for _ in range(5):
                assert nodes.Scaled(by).map(range(300)) == [i * by for i in range(300)]
                flow = {"base": by, "count": 10, "log": []}
                nodes.count_all().run(flow)
                assert flow["found"] == [by + n for n in range(10)]
        activate(flowq.connect(sys.argv[1]))
        work(1)
        children = []
        for by in (2, 3):
            pid = os.fork()
            if pid == 0:
                status = 1
                try:
                    work(by)
                    status = 0
                finally:
                    os._exit(status)
            children.append(pid)
        work(4)
        print([os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children], flush=True)
        """,
        pair.broker_url,
    )
    assert one.line() == "[0, 0]", one.end()
    assert one.end()[0] == 0


def test_a_worker_that_joins_half_way_takes_items_within_three_seconds(oracle: str) -> None:
    with new_cluster(workers=1, slots=1) as cluster:
        handle = submit(faulty.Traced(oracle, seconds=0.05), range(120))
        until(lambda: handle.progress().done > 10, 10, "the first worker is at it")
        joined = cluster.add_worker()
        ready_at = time.time()
        theirs = until(lambda: [one for one in trace(oracle) if group_of(one.pid) == joined.pid], 5, "it takes items")
        assert theirs[0].began - ready_at < 3
        assert handle.result(timeout=30) == [i * 3 for i in range(120)]
        share = sum(group_of(one.pid) == joined.pid for one in trace(oracle))
    assert share > 20
