"""Workers and producers of different releases, or with different modules: refused clearly, kept, and run by who can."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.codec import envelope
from flowq.engine import batches, ledger
from flowq.engine.app import RUN_FLOW
from flowq.engine.care.catalog import Catalog
from flowq.engine.fleet.later import KEPT_FOR_S
from tests import nodes
from tests.messages import Log, Wire
from tests.newer import arguments
from tests.newer.nodes import Late, LateAddress, LateFlow, Parcel
from tests.submitting import submit
from tests.waiting import until

LEASE_S = 1.0
LEFT = "left to another worker"


class Fleet:
    """A Redis, an older worker on it, and newer ones when they come."""

    def __init__(self) -> None:
        self.older = flowq.LocalCluster(workers=0, slots=1, imports=["tests.nodes"], lease_s=LEASE_S, grace_s=0)

    def __enter__(self) -> Fleet:
        self.older.start()
        self.wire = Wire(self.older, LEASE_S)
        return self

    def __exit__(self, *_: object) -> None:
        self.wire.close()
        self.older.stop()

    def add_older(self) -> Log:
        """A worker of this release that knows the modules everybody knows; what it writes."""
        return Log(self.older.add_worker().log_path, whole=True)

    @contextmanager
    def newer(self, module: str) -> Iterator[Log]:
        """Beside it a worker that imports *module* as well."""
        with flowq.LocalCluster(
            workers=1,
            slots=1,
            imports=["tests.nodes", module],
            lease_s=LEASE_S,
            broker_url=self.older.broker_url,
            grace_s=0,
        ) as newer:
            yield Log(newer.workers[0].log_path, whole=True)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet() as fleet:
        yield fleet


def long_waits_s(lines: list[str]) -> list[float]:
    """The waits between these lines of a log, up to the first of about two seconds; none before that came."""
    found = [re.match(r"\[([-0-9 :,]+):", line) for line in lines]
    times_s = [datetime.fromisoformat(one[1].replace(",", ".")).timestamp() for one in found if one is not None]
    waits_s = [after - before for before, after in pairwise(times_s)]
    long = [place for place, wait_s in enumerate(waits_s) if wait_s >= 1.9]
    return waits_s[: long[0] + 1] if long else []


def test_a_node_class_that_a_worker_does_not_know_waits_ever_longer_for_one_that_does(fleet: Fleet) -> None:
    handle = Late(3).submit(range(4), label="parcels")  # before there is a worker that it would be refused by
    log = fleet.add_older()
    # The message had waited for the worker too, and was published once more meanwhile: the first two fall together.
    waits_s = until(lambda: long_waits_s(log.lines(LEFT, "0:0-1")), 40, "it waited for two seconds")
    assert "tests.newer.nodes:Late" in log.lines(LEFT)[0]
    assert waits_s[-2] >= 0.9
    state = handle.state()
    assert (state.state, state.done, state.losses, state.crashes) == ("running", 0, 0, 0)
    with fleet.newer("tests.newer.nodes") as newer:
        assert handle.result(timeout=30) == [3, 10, 17, 24]
        assert not newer.lines("ERROR")
    assert handle.state().losses == 0


def test_with_a_worker_there_that_knows_the_class_the_others_pass_its_chunks_on(fleet: Fleet) -> None:
    log = fleet.add_older()
    with fleet.newer("tests.newer.nodes"):
        handle = Late(chunk_size=1).submit(range(100))
        assert handle.result(timeout=30) == [i * 7 for i in range(100)]
        state = handle.state()
        assert (state.losses, state.crashes) == (0, 0)
        # Some three passes a chunk, and no endless game between two workers that both do not know it.
        assert len(log.lines("ERROR")) <= 100


def test_a_node_of_other_arguments_waits_for_a_worker_that_takes_them() -> None:
    known: dict[str, Any] = {"slots": 1, "imports": ["tests.newer.arguments"], "lease_s": LEASE_S}
    given = [arguments.Base(2), arguments.Base(offset=2), arguments.PassesOn(2), arguments.PassesOn(offset=2)]
    with flowq.LocalCluster(workers=1, env={arguments.IS_OLDER: "1"}, **known) as older:
        handles = [submit(node, range(3)) for node in given]
        log = Log(older.workers[0].log_path, whole=True)
        for handle in handles:
            assert "has another constructor" in log.await_line(LEFT, handle.id)
        with flowq.LocalCluster(workers=1, broker_url=older.broker_url, **known):
            assert [handle.result(timeout=60) for handle in handles] == [[2, 3, 4]] * 4
        assert [(handle.state().losses, handle.state().crashes) for handle in handles] == [(0, 0)] * 4


def test_a_batchflow_is_folded_where_its_classes_are_known(fleet: Fleet) -> None:
    fleet.add_older()
    with fleet.newer("tests.newer.nodes"):
        shared = {"count": 12}
        LateFlow(start=LateAddress()).run(shared)
    assert shared["addresses"] == list(range(12))


def test_an_item_of_a_class_that_a_worker_does_not_know_is_run_by_one_that_does(fleet: Fleet) -> None:
    handle = nodes.Echo().submit([Parcel(3), Parcel(4)])
    log = fleet.add_older()
    log.await_line(LEFT, "tests.newer.nodes:Parcel")
    with fleet.newer("tests.newer.nodes"):
        assert handle.result(timeout=90) == [Parcel(3), Parcel(4)]
    assert handle.state().losses == 0


@pytest.fixture
def newer_schema(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process is a producer of next year's, whose ledger has another schema."""
    for module in (batches, ledger):
        monkeypatch.setattr(module, "SCHEMA_VERSION", ledger.SCHEMA_VERSION + 1)
    ledger.script.cache_clear()
    yield
    monkeypatch.undo()
    ledger.script.cache_clear()


@pytest.mark.timeout(240)
def test_a_batch_of_a_newer_producer_is_refused_by_an_older_worker_and_run_by_a_newer_one(
    fleet: Fleet, newer_schema: None
) -> None:
    handle = nodes.Square().submit(range(3))
    log = fleet.add_older()
    line = log.await_line(LEFT)
    ours = ledger.SCHEMA_VERSION  # next year's here
    assert f"has ledger schema {ours}, this flowq reads {ours - 1}" in line
    assert "run workers and producers of one flowq version" in line
    log.await_line("cannot be cared for", f"schema {ours}")
    assert handle.state().state == "running"
    assert claims(fleet.wire, handle.id) == {0}
    with fleet.newer("tests.newer.schema"):
        assert handle.result(timeout=200) == [0, 1, 4]
    assert len(log.lines("cannot be cared for")) == 1


@pytest.mark.timeout(240)
def test_a_batch_of_an_older_producer_is_refused_by_a_newer_worker_and_run_by_an_older_one(fleet: Fleet) -> None:
    handle = nodes.Square().submit(range(3))
    with fleet.newer("tests.newer.schema") as newer:
        ours = ledger.SCHEMA_VERSION
        assert f"has ledger schema {ours}, this flowq reads {ours + 1}" in newer.await_line(LEFT)
        assert claims(fleet.wire, handle.id) == {0}
        fleet.add_older()
        assert handle.result(timeout=200) == [0, 1, 4]


@pytest.fixture
def newer_codec(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is a producer of next year's, whose codec has another version."""
    newer = envelope.VERSION + 1
    monkeypatch.setattr(envelope, "VERSION", newer)
    for name in ("_PLAIN_HEAD", "_ZSTD_HEAD"):
        head = getattr(envelope, name)
        monkeypatch.setattr(envelope, name, head[:2] + bytes((newer,)) + head[3:])


@pytest.mark.timeout(240)
def test_messages_and_blobs_of_a_newer_codec_are_refused_and_run_by_a_newer_worker(
    fleet: Fleet, newer_codec: None
) -> None:
    handle = nodes.Square().submit(range(3))
    log = fleet.add_older()
    log.await_line("a message was refused", "codec version 2; this process reads version 1")
    log.await_line("cannot be cared for", "codec version 2")
    with fleet.newer("tests.newer.codec"):
        assert handle.result(timeout=200) == [0, 1, 4]


def claims(wire: Wire, batch_id: str) -> set[int]:
    """How often the open chunks of a batch were claimed."""
    return {int(record.split()[2]) for record in wire.redis.hvals(wire.keys.of(batch_id, "open"))}


def test_a_task_that_only_a_newer_flowq_knows_is_kept_until_its_worker_comes(fleet: Fleet, tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    wire, log = fleet.wire, fleet.add_older()
    messages = [wire.task("flowq.tomorrow", (str(oracle), f"line {number}")) for number in range(3)]
    wire.push(*messages)
    until(lambda: len(log.lines("kept for a newer flowq: flowq.tomorrow")) == 3, 10, "they are kept")
    until(wire.is_idle, 5, "the queue is free")
    kept = wire.keys.later_of("flowq", "flowq.tomorrow")
    assert wire.redis.llen(kept) == 3
    assert 0 < wire.redis.ttl(kept) <= KEPT_FOR_S
    # They stay there over the rounds of workers that do not know them.
    assert nodes.Square().submit(range(20)).result(timeout=10) == [i * i for i in range(20)]
    assert wire.redis.llen(kept) == 3
    with fleet.newer("tests.newer.tasks"):
        until(lambda: oracle.exists() and len(oracle.read_text().splitlines()) == 3, 30, "the newer worker ran them")
        until(lambda: wire.is_idle() and not wire.redis.exists(kept, wire.keys.later), 10, "nothing is left")
    assert sorted(oracle.read_text().splitlines()) == ["line 0", "line 1", "line 2"]


def send_scheduled(wire: Wire, key: str, flow: flowq.Flow, shared: dict[str, Any]) -> None:
    """What beat sends when *flow* is due."""
    spec, store, key, _ = flowq.scheduled(flow, 60, key=key, shared=shared)["args"]
    wire.push(wire.task(RUN_FLOW, (spec, store, key, 1_700_000_000)))


def runs(wire: Wire) -> list[str]:
    return [entry.id for entry in Catalog(wire.redis, wire.keys).newest("run")]


def test_a_scheduled_flow_is_kept_for_a_worker_that_knows_its_classes_and_those_in_its_store(fleet: Fleet) -> None:
    wire, log = fleet.wire, fleet.add_older()
    send_scheduled(wire, "addresses", flowq.Flow(LateFlow(start=LateAddress())), {"count": 2})
    log.await_line("a scheduled flow is kept for a worker that knows tests.newer.nodes:LateAddress")
    send_scheduled(wire, "parcels", flowq.Flow(nodes.FromStore()), {"items": [1], "parcel": Parcel(3)})
    log.await_line("a scheduled flow is kept for a worker that knows tests.newer.nodes:Parcel")
    until(wire.is_idle, 5, "the queue is free")
    # They stay there over the rounds of workers that do not know them.
    assert nodes.Square().submit(range(20)).result(timeout=10) == [i * i for i in range(20)]
    assert wire.redis.scard(wire.keys.later) == 2
    assert not log.lines("are back in their queue")
    with fleet.newer("tests.newer.nodes"):
        until(lambda: len(runs(wire)) == 2, 30, "the newer worker began both")
        stores = [flowq.get_run(run_id).result(timeout=60).shared for run_id in runs(wire)]
    assert [store["addresses"] for store in stores if "count" in store] == [[0, 1]]
    assert [store["parcel"] for store in stores if "items" in store] == [Parcel(3)]
    assert not wire.redis.exists(wire.keys.later)


def test_a_scheduled_run_waits_for_a_worker_on_its_queue_that_knows_its_classes(fleet: Fleet) -> None:
    fleet.add_older()
    spec, store, key, _ = flowq.scheduled(flowq.Flow(LateAddress()), 60, key="nightly")["args"]
    # As the task of a worker that knows them, and consumes another queue than the run's.
    run = fleet.older.executor.submit_scheduled(spec, store, key, 1_700_000_000)
    assert run.status == "running"
    with pytest.raises(flowq.UnknownNode):
        flowq.Flow(LateAddress()).submit({})
    run.cancel()
