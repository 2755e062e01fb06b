"""Messages and blobs that went wrong on the way: no process of a worker dies or grows, every refusal is logged.

FLOWQ_MUTATIONS sets how many (`make chaos-short` and `make chaos`: 10,000), FLOWQ_MUTATIONS_SEED another seed.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

import flowq
from tests import nodes
from tests.messages import Log, Wire
from tests.mutations import MUTATIONS, blob_altered
from tests.waiting import until

MIB = 2**20
N = int(os.environ.get("FLOWQ_MUTATIONS", "2000"))
SEED = int(os.environ.get("FLOWQ_MUTATIONS_SEED", "1"))
BLOBS = N // 5
AT_ONCE = 500
AS_A_FLEET = {"FLOWQ_SINKS": ""}  # a cluster on its own Redis writes wherever it is told
LEDGER = ("meta", "open", "wake", "pages", "index")


@pytest.fixture(scope="module")
def target() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(
        workers=1, slots=2, imports=["tests.nodes"], lease_s=3, log_level="INFO", env=AS_A_FLEET, grace_s=0
    ) as cluster:
        yield cluster


@pytest.fixture
def wire(target: flowq.LocalCluster) -> Iterator[Wire]:
    with Wire(target) as wire:
        until(wire.is_idle, 10, "nothing of another test is left in the log")
        yield wire


class Witness:
    """A worker's processes and their memory, from before to after."""

    def __init__(self, pid: int) -> None:
        self._worker = psutil.Process(pid)
        self._before = self._processes()

    def _processes(self) -> dict[int, int]:
        """Bytes that each process has, main process and children."""
        return {one.pid: one.memory_info().rss for one in (self._worker, *self._worker.children())}

    def assert_unharmed(self) -> None:
        """The same processes are there, and none has grown by 64 MiB."""
        after = self._processes()
        assert set(after) == set(self._before)
        grown = {pid: (after[pid] - self._before[pid]) // MIB for pid in after}
        assert max(grown.values()) < 64, f"MiB grown: {grown}"


def accounted(log: Log) -> dict[str, int]:
    """How many messages the log accounts for, by what became of them."""
    return {
        "refused": len(log.lines("a message was refused")),
        "kept": len(log.lines("a task is kept for a newer flowq")),
        "received": len(log.lines("Task", "received")),
    }


def test_mutated_messages_harm_nobody(target: flowq.LocalCluster, wire: Wire) -> None:
    rng = random.Random(SEED)
    paused = nodes.Square(queue="spare", chunk_size=2).submit(range(10))
    wire.connections.ledger.control(paused.id, "pause")
    patterns = [
        wire.chunk(paused.id, "0:0-2"),
        wire.task("flowq.fold", (paused.id, 0, 0, 10)),
        wire.task("flowq.finish", (paused.id, 0, [(0, 5), (5, 10)])),
    ]
    witness, log = Witness(target.workers[0].pid), Log(target.workers[0].log_path)
    sent = 0
    while sent < N - BLOBS:
        some = [rng.choice(MUTATIONS)(rng, fresh(rng, rng.choice(patterns))) for _ in range(AT_ONCE)]
        wire.push(*(one for one in some))
        sent += len(some)
        until(lambda: sum(accounted(log).values()) >= sent, 60, f"{sent} messages are accounted for")  # noqa: B023
    until(wire.is_idle, 30, "the queue is empty")
    assert sum(accounted(log).values()) == sent, accounted(log)
    assert accounted(log)["refused"] > sent * 0.7
    assert not log.lines("Traceback")
    assert not log.lines("Connection to broker lost")
    witness.assert_unharmed()
    state = paused.state()
    assert (state.state, state.done, state.confirmed) == ("paused", 0, -1)
    wire.connections.ledger.control(paused.id, "resume")
    until(lambda: (wire.forward(), paused.progress().done)[1] == 10, 20, "the batch runs on")
    assert paused.result(timeout=10) == [i * i for i in range(10)]


def test_mutated_blobs_harm_nobody(target: flowq.LocalCluster, wire: Wire, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    stranded = nodes.Logged(str(tmp_path / "oracle"), seconds=0.0, queue="spare", chunk_size=2).submit(range(10))
    whole = {part: wire.redis.dump(wire.keys.of(stranded.id, part)) for part in LEDGER}
    header = wire.redis.hget(wire.keys.meta(stranded.id), "header")
    page = wire.redis.hget(wire.keys.of(stranded.id, "pages"), "0")
    witness, log = Witness(target.workers[0].pid), Log(target.workers[0].log_path)
    for at in range(0, BLOBS, AT_ONCE):
        names = [f"mutated-{number:010d}" for number in range(at, min(BLOBS, at + AT_ONCE))]
        with wire.redis.pipeline(transaction=False) as pipe:
            for name in names:
                for part, dumped in whole.items():
                    pipe.restore(wire.keys.of(name, part), 0, dumped)
                pipe.hset(wire.keys.meta(name), "id", name)
                if rng.random() < 0.6:
                    pipe.hset(wire.keys.meta(name), "header", blob_altered(rng, header))
                else:
                    pipe.hset(wire.keys.of(name, "pages"), "0", blob_altered(rng, page))
            pipe.execute()
        wire.push(*(wire.chunk(name, "0:0-2") for name in names))
        done = at + len(names)
        until(lambda: len(log.lines("Task", "] succeeded")) >= done, 60, f"{done} chunks were judged")  # noqa: B023
    until(wire.is_idle, 30, "the queue is empty")
    assert len(log.lines("Task", "received")) == len(log.lines("Task", "] succeeded")) == BLOBS
    left = len(log.lines("left to another worker: "))
    assert left >= BLOBS * 0.5, f"{left} of {BLOBS} refused"
    assert len(log.lines("] succeeded", "left to another worker")) == len(log.lines("ERROR", "left to another worker"))
    assert not log.lines("raised unexpected")
    assert not log.lines("Traceback")
    witness.assert_unharmed()
    assert nodes.Square().submit(range(50)).result(timeout=10) == [i * i for i in range(50)]
    stranded.cancel()


def fresh(rng: random.Random, message: dict[str, Any]) -> dict[str, Any]:
    """*message* with a delivery tag and an id of its own."""
    copied: dict[str, Any] = json.loads(json.dumps(message))
    copied["properties"]["delivery_tag"] = copied["headers"]["id"] = f"{rng.getrandbits(64):016x}"
    return copied
