"""Hostile messages for flowq's tasks on a team's app: refused before Celery unpickles them; the team's stay theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery

import flowq
from flowq.batch.executor import activated
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.integration.test_hostile import ARGUMENTS, BODIES, HEADERS
from tests.messages import Log, Wire
from tests.waiting import until

# What Celery's own consumer does with these is the team's business: they name no task of flowq's.
NOT_OURS = {"no task", "the task is a list", "a task of another name", "a task of Celery's", "Celery's first protocol"}
CASES = {**HEADERS, **BODIES, **ARGUMENTS}


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedRedis]:
    with EmbeddedRedis() as server:
        yield server


@pytest.fixture(scope="module")
def team(server: EmbeddedRedis) -> Celery:
    """The team's app, as its producers have it."""
    os.environ["TEAM_REDIS_URL"] = server.url
    try:
        from tests.lenient_app import app
    finally:
        del os.environ["TEAM_REDIS_URL"]
    return app


@pytest.fixture(scope="module")
def tripwire(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("team") / "tripped"


@pytest.fixture(scope="module")
def worker(server: EmbeddedRedis, tripwire: Path, team: Celery) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the team's, which writes to a file."""
    env = {
        **os.environ,
        "TEAM_REDIS_URL": server.url,
        "FLOWQ_TEST_TRIPWIRE": str(tripwire),
        "FLOWQ_LEASE_S": "3",
        "C_FORCE_ROOT": "1",  # who accepts pickle must not be root, unless it says so
    }
    command = [sys.executable, "-m", "celery", "-A", "tests.lenient_app", "worker", "-l", "INFO", "-c", "2"]
    log = tripwire.with_name("log")
    with log.open("wb") as file:
        process = subprocess.Popen([*command, "-n", "team@here"], env=env, stdout=file, stderr=file)
    try:
        until(lambda: b"team@here ready" in log.read_bytes(), 20, "the worker is ready")
        yield process
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def executor(team: Celery, worker: subprocess.Popen[bytes], server: EmbeddedRedis) -> Iterator[Any]:
    executor = flowq.connect(app=team)
    yield executor
    executor.connections.close()


@pytest.fixture
def wire(executor: Any) -> Wire:
    return Wire.on(executor.connections)


@pytest.fixture
def unharmed(tripwire: Path, worker: subprocess.Popen[bytes], team: Celery) -> Iterator[Log]:
    """The worker's log; afterwards the same processes are there, nothing ran, and the team's tasks do, compressed."""
    process = psutil.Process(worker.pid)
    before = {process.pid, *(child.pid for child in process.children())}
    yield Log(tripwire.with_name("log"))
    assert {process.pid, *(child.pid for child in process.children())} == before
    assert not tripwire.exists()
    assert team.tasks["lenient.size"].delay("x" * 100_000).get(timeout=10) == 100_000
    assert team.tasks["lenient.size"].apply_async(("abc",), serializer="pickle").get(timeout=10) == 3


@pytest.mark.parametrize("name", sorted(CASES.keys() - NOT_OURS))
def test_a_wrong_message_for_a_task_of_flowqs_is_refused(name: str, wire: Wire, unharmed: Log) -> None:
    wire.push(CASES[name](wire))
    unharmed.await_line("a message was refused")
    until(wire.is_idle, 10, "it is off the queue")
    assert len(unharmed.lines()) == 1


def test_a_task_that_only_a_newer_flowq_knows_is_kept(wire: Wire, unharmed: Log) -> None:
    wire.push(wire.task("flowq.tomorrow", ()))
    unharmed.await_line("kept for a newer flowq: flowq.tomorrow")
    assert wire.redis.llen(wire.keys.later_of("flowq", "flowq.tomorrow")) == 1


def test_the_teams_own_unknown_tasks_are_dropped_as_ever(wire: Wire, unharmed: Log) -> None:
    wire.push(wire.task("lenient.forgotten", ()))
    unharmed.await_line("Received unregistered task of type 'lenient.forgotten'")
    until(wire.is_idle, 10, "it is off the queue")
    assert not unharmed.lines("kept for a newer flowq")


def test_batches_run_beside_the_teams_tasks(executor: Any, unharmed: Log) -> None:
    with activated(executor):
        assert nodes.Square().submit(range(50)).result(timeout=20) == [i * i for i in range(50)]
