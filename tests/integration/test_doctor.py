"""`flowq doctor` on real Redis servers, with workers and without: what it finds, what it advises, how it exits."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from click.testing import CliRunner
from redis import Redis

import flowq
from flowq.batch.executor import activate, deactivate
from flowq.cli import main
from flowq.engine.fleet.presence import WorkerRecord, announce
from flowq.engine.keys import Keys
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.waiting import until


@dataclass(frozen=True)
class Report:
    """What the command printed, and its exit status."""

    status: int
    ok: bool
    findings: list[dict[str, Any]]

    def __getitem__(self, check: str) -> dict[str, Any]:
        (one,) = [finding for finding in self.findings if finding["check"] == check]
        return one

    @property
    def verdicts(self) -> dict[str, str]:
        return {one["check"]: one["verdict"] for one in self.findings}


def doctor(url: str | None) -> Report:
    done = CliRunner().invoke(main, ["doctor", "--json"], env={"FLOWQ_BROKER_URL": url})
    assert isinstance(done.exception, SystemExit | None), done.output
    said = json.loads(done.stdout)
    return Report(done.exit_code, said["ok"], said["findings"])


def shown(url: str | None) -> tuple[int, str]:
    """The table, its lines joined: it wraps at 80 columns."""
    done = CliRunner().invoke(main, ["doctor"], env={"FLOWQ_BROKER_URL": url, "COLUMNS": "200"})
    return done.exit_code, done.stdout


def test_an_embedded_redis_works_and_is_told_what_it_lacks_for_production(redis_server: EmbeddedRedis) -> None:
    report = doctor(redis_server.url)
    assert (report.status, report.ok) == (0, True)
    assert report.verdicts == {
        "redis": "ok",
        "version": "ok",
        "topology": "ok",
        "persistence": "warn",
        "eviction": "ok",
        "memory": "warn",
        "permissions": "ok",
        "clock": "ok",
        "latency": "ok",
        "workers": "warn",
        "batches": "ok",
    }
    assert "redis.conf: appendonly yes" in report["persistence"]["advice"]
    assert "redis.conf: maxmemory" in report["memory"]["advice"]
    assert report["workers"]["found"] == "none: batches wait for one"


def test_workers_are_listed_with_what_they_know(cluster: flowq.LocalCluster) -> None:
    report = doctor(cluster.broker_url)
    assert report.status == 0
    assert report["workers"]["found"] == "1 worker, 2 slots on queue 'flowq'"
    (one,) = [finding for finding in report.findings if finding["check"].startswith("worker ")]
    assert one["verdict"] == "ok"
    assert "node classes of" in one["found"]
    assert "flowq.compat" not in one["found"], "what every worker knows says nothing"


def test_the_table_says_the_same_and_leaves_nothing_behind(redis: Redis, redis_server: EmbeddedRedis) -> None:
    status, text = shown(redis_server.url)
    assert status == 0
    assert "appendonly no" in text
    assert "ok, 3 to look at, 0 to mend" in text
    assert redis.keys("*") == []


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://127.0.0.1:1/0", "no Redis answers at redis://127.0.0.1:1/0 (Error 111"),
        ("redis+socket:///nowhere/redis.sock", "no Redis answers at redis+socket:///nowhere/redis.sock"),
        ("redis://app:secret@127.0.0.1:1/0", "redis://app:***@127.0.0.1:1/0"),
    ],
)
def test_no_redis_is_one_clear_line(url: str, says: str) -> None:
    report = doctor(url)
    assert (report.status, report.ok, len(report.findings)) == (1, False, 1)
    assert says in report["redis"]["found"]
    assert report["redis"]["advice"]
    status, text = shown(url)
    assert (status, "1 to mend" in text, "Traceback" in text) == (1, True, False)


def test_a_redis_that_does_not_answer_is_not_waited_for() -> None:
    with EmbeddedRedis() as server:
        os.kill(server.pid, signal.SIGSTOP)
        try:
            began = time.monotonic()
            report = doctor(server.url)
            assert (report.status, report.verdicts) == (1, {"redis": "fail"})
            assert time.monotonic() - began < 10
        finally:
            os.kill(server.pid, signal.SIGCONT)


def test_settings_for_production_are_all_well() -> None:
    options = {"maxmemory": "64mb", "maxmemory-policy": "noeviction"}
    with EmbeddedRedis(appendonly=True, options=options) as server:
        report = doctor(server.url)
        assert {check for check, verdict in report.verdicts.items() if verdict != "ok"} == {"workers"}
        assert report["persistence"]["found"] == "appendonly yes, appendfsync everysec"
        assert " of 64.0 MiB used (" in report["memory"]["found"]


def test_eviction_and_a_full_redis_fail() -> None:
    with EmbeddedRedis(options={"maxmemory": "20mb", "maxmemory-policy": "allkeys-lru"}) as server:
        client = Redis.from_url(server.redis_url)
        for number in range(260):
            client.set(f"other:{number}", os.urandom(64 * 1024))
        client.close()
        report = doctor(server.url)
        assert report.status == 1
        assert report["eviction"]["advice"] == "redis.conf: maxmemory-policy noeviction"
        assert "above 80% no items are taken (RedisFull)" in report["memory"]["found"]


def port_with_a_cluster_bus() -> int:
    """A free port; Redis Cluster needs the one that is 10,000 higher as well."""
    for _ in range(1000):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port <= 55_535:
            return port
    raise AssertionError("every free port is too high")


def test_redis_cluster_is_refused_before_anything_else_is_asked() -> None:
    with EmbeddedRedis(port=port_with_a_cluster_bus(), options={"cluster-enabled": "yes"}) as server:
        report = doctor(server.url)
        assert report.status == 1
        assert (report["topology"]["verdict"], report["topology"]["found"]) == ("fail", "Redis Cluster")
        assert "workers" not in report.verdicts


def test_a_replica_is_refused_and_a_master_with_one_is_warned_of() -> None:
    with EmbeddedRedis(port=0) as master:
        host, port = master.url.removeprefix("redis://").removesuffix("/0").split(":")
        with EmbeddedRedis(port=0) as replica:
            client = Redis.from_url(replica.url)
            client.replicaof(host, port)
            client.close()
            until(lambda: "1 replica" in doctor(master.url)["topology"]["found"], 30, "the replica is attached")
            assert doctor(master.url)["topology"]["verdict"] == "warn"
            report = doctor(replica.url)
            assert (report.status, report["topology"]["verdict"]) == (1, "fail")
            assert report["topology"]["advice"] == "give the URL of its master"


@pytest.fixture
def guarded() -> Iterator[tuple[EmbeddedRedis, Redis]]:
    """A Redis that knows users, and its administrator."""
    with EmbeddedRedis(port=0) as server:
        admin = Redis.from_url(server.redis_url)
        yield server, admin
        admin.close()


def as_user(server: EmbeddedRedis, name: str = "app", password: str = "secret") -> str:
    return server.url.replace("redis://", f"redis://{name}:{password}@")


def set_user(admin: Redis, rule: str) -> None:
    admin.execute_command("ACL", "SETUSER", *rule.split())


def test_what_a_user_lacks_is_named_and_the_rule_that_is_advised_suffices(guarded: tuple[EmbeddedRedis, Redis]) -> None:
    server, admin = guarded
    set_user(admin, "app on >secret ~cache:* resetchannels +@all -@dangerous -@scripting")
    poor = doctor(as_user(server))
    assert (poor.status, poor["permissions"]["verdict"]) == (1, "fail")
    assert "~flowq:*" in poor["permissions"]["found"]
    assert "SCRIPT" in poor["permissions"]["found"]
    assert poor["server"]["found"].startswith("cannot tell, because ")
    set_user(admin, poor["permissions"]["advice"].removeprefix("ACL SETUSER "))
    # It may neither CONFIG nor ACL, and no more is needed for a batch and its aggregation, on workers too.
    assert doctor(as_user(server))["permissions"]["verdict"] == "ok"
    with flowq.LocalCluster(workers=1, slots=2, broker_url=as_user(server), imports=["tests.nodes"], grace_s=0):
        shared = {"base": 10, "count": 50, "log": []}
        nodes.count_all().run(shared)
        assert shared["found"] == [10 + n for n in range(50)]
        report = doctor(as_user(server))
    assert report.status == 0
    assert report["persistence"]["verdict"] == "warn"
    assert [key for key in admin.keys("*") if not key.startswith(b"flowq:")] == []


def test_a_wrong_password_is_said_as_such(guarded: tuple[EmbeddedRedis, Redis]) -> None:
    server, admin = guarded
    set_user(admin, "app on >secret ~* +@all")
    report = doctor(as_user(server, password="wrong"))
    assert (report.status, report.verdicts) == (1, {"redis": "fail"})
    assert "refuses this user" in report["redis"]["found"]
    assert "wrong" not in report["redis"]["found"].replace("WRONGPASS", "")


def test_workers_of_another_version_with_another_clock_or_gone_are_named(
    redis: Redis, redis_server: EmbeddedRedis
) -> None:
    keys, queues = Keys("flowq"), {"flowq": "flowq:flowq"}

    def there(name: str, pid: int = 1) -> WorkerRecord:
        record = WorkerRecord(name, "host", pid, 2, queues, ("app.nodes:Parse",), "0.0.1", 0.0)
        announce(redis, keys, record)
        return record

    there("old@host")
    there("twice@host")
    there("twice@host", pid=2)
    off = there("off@host")
    redis.zadd(keys.workers, {off.entry: time.time() + 50, "gone@host": time.time() - 20})
    report = doctor(redis_server.url)
    assert report["workers"]["found"] == "4 workers, 8 slots on queue 'flowq'"
    assert report["names"]["found"] == "2 workers are called twice@host"
    assert "run one version of flowq everywhere" in report["worker old@host"]["advice"]
    assert report["worker off@host"]["verdict"] == "fail"
    assert "clock +50." in report["worker off@host"]["found"]
    assert report["worker gone@host"]["found"].startswith("has not beaten for 2")


def test_a_batch_that_waits_and_one_whose_producer_is_gone_are_named(redis: Redis, redis_server: EmbeddedRedis) -> None:
    executor = flowq.connect(redis_server.url)
    activate(executor)

    def breaks() -> Iterator[int]:
        yield from range(64)
        raise ValueError("the source is gone")

    try:
        nodes.Square().submit(range(100))
        half = nodes.Square().submit(breaks(), key="half")
        with pytest.raises(ValueError, match="the source is gone"):
            half.wait(timeout=10)
    finally:
        deactivate(executor)
        executor.connections.close()
    report = doctor(redis_server.url)
    assert report["batches"]["verdict"] == "warn"
    assert "2 running" in report["batches"]["found"]
    assert "nobody consumes flowq" in report["batches"]["found"]
    assert "submit it again under its key" in report[f"batch {half.id}"]["advice"]
