"""A Redis user who may touch nothing but flowq's keys suffices for everything: deploy/users.acl, used as it stands."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.exceptions import NoPermissionError

import flowq
from flowq.engine.app import build_app
from flowq.engine.redis_client import make_client
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.messages import Log, Wire
from tests.waiting import until

USERS = Path(__file__).parents[2] / "deploy" / "users.acl"
PASSWORD = "p%40ss%2Fword"  # as a URL spells p@ss/word


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    users = tmp_path_factory.mktemp("acl") / "users.acl"
    users.write_text(USERS.read_text().replace(">change-me", ">p@ss/word"))
    with EmbeddedRedis(port=0, options={"aclfile": str(users)}) as server:
        yield server


@pytest.fixture(scope="module")
def url(server: EmbeddedRedis) -> str:
    return server.url.replace("redis://", f"redis://flowq:{PASSWORD}@")


@pytest.fixture(scope="module")
def restricted(url: str) -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(
        workers=1, slots=2, imports=["tests.nodes"], lease_s=3, broker_url=url, grace_s=0
    ) as cluster:
        yield cluster


@pytest.fixture
def wire(restricted: flowq.LocalCluster) -> Iterator[Wire]:
    with Wire(restricted) as wire:
        yield wire


@pytest.fixture
def without_errors(restricted: flowq.LocalCluster) -> Iterator[Log]:
    """What the worker writes; not a word about permissions."""
    log = Log(restricted.workers[0].log_path, whole=True)
    yield log
    assert not log.lines("NOPERM")
    assert not log.lines("ermission")


def test_a_batch_runs(restricted: flowq.LocalCluster, without_errors: Log) -> None:
    assert nodes.Square().submit(range(300)).result(timeout=20) == [i * i for i in range(300)]
    assert nodes.AsyncSquare().submit(iter(range(300))).result(timeout=20) == [i * i for i in range(300)]


def test_a_batchflow_runs_with_its_snapshot_its_chord_and_its_deltas(
    restricted: flowq.LocalCluster, without_errors: Log
) -> None:
    shared: dict[str, Any] = {"base": 10, "count": 50, "log": ["before"]}
    nodes.count_all(chunk_size=5).run(shared)
    assert shared["found"] == [10 + n for n in range(50)]


def test_retries_parking_cancelling_and_lost_messages_work(wire: Wire, without_errors: Log, tmp_path: Path) -> None:
    retried = nodes.FailsTwice(retry=flowq.Retry(attempts=3, wait=1.2)).submit(range(4))
    lost = nodes.Logged(str(tmp_path / "oracle"), seconds=0.1).submit(range(20))
    cancelled = nodes.Logged(str(tmp_path / "other"), seconds=1.0).submit(range(50))
    wire.redis.delete(wire.queue)
    cancelled.cancel()
    assert lost.result(timeout=30) == [i * 3 for i in range(20)]
    assert retried.result(timeout=30) == list(range(4))
    assert cancelled.state().state == "cancelled"


def test_remote_control_answers(restricted: flowq.LocalCluster, without_errors: Log) -> None:
    app = restricted.executor.connections.app
    replies = app.control.inspect(timeout=5, limit=1).ping()
    assert [reply["ok"] for reply in replies.values()] == ["pong"]


def test_events_reach_a_monitor(restricted: flowq.LocalCluster, url: str) -> None:
    app = build_app(flowq.Settings(broker_url=url))
    seen: list[str] = []

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": lambda event: seen.append(event["type"])})
        watching = threading.Thread(target=receiver.capture, kwargs={"wakeup": False})
        watching.start()
        until(lambda: nodes.Square().map([1]) and "task-succeeded" in seen, 15, "the monitor sees a task")
        receiver.should_stop = True
        watching.join(10)
    assert not watching.is_alive()


def test_a_worker_may_end_its_read_of_the_queue(url: str) -> None:
    with make_client(url) as client:
        assert client.client_unblock(client.client_id()) == 0, "it is told that nothing blocks, not that it may not ask"


def test_a_task_for_a_newer_flowq_is_kept(wire: Wire, without_errors: Log) -> None:
    wire.push(wire.task("flowq.tomorrow", ()))
    until(lambda: wire.redis.exists(wire.keys.later), 10, "it is kept")


@pytest.mark.parametrize(
    "command",
    ["GET other", "SET other 1", "LPUSH celery x", "BRPOP celery 1", "DEL flowq", "EVAL return{} 1 other", "KEYS *",
     "FLUSHALL", "FLUSHDB", "CONFIG GET *", "SHUTDOWN", "ACL LIST", "CLIENT LIST", "MONITOR",
     "REPLICAOF no one", "SAVE", "PUBLISH other x", "SUBSCRIBE other", "PSUBSCRIBE *", "PSUBSCRIBE flowq:*x"],
)  # fmt: skip
def test_whatever_lies_outside_the_prefix_is_refused(command: str, url: str) -> None:
    client = make_client(url)
    with pytest.raises(NoPermissionError):
        client.execute_command(*command.split())
    client.close()


@pytest.mark.parametrize("user", ["", "flowq:wrong@", "default:@", f"stranger:{PASSWORD}@"])
def test_nobody_else_comes_in_and_the_password_is_not_told(user: str, server: EmbeddedRedis) -> None:
    with pytest.raises(flowq.NoRedis) as told:
        flowq.connect(flowq.Settings(broker_url=server.url.replace("redis://", f"redis://{user}")))
    assert "wrong" not in str(told.value)
    assert PASSWORD not in str(told.value)


def test_the_document_shows_the_file_as_it_is() -> None:
    document = USERS.parents[1] / "docs" / "security.md"
    assert USERS.read_text() in document.read_text()
