"""The fleet of deploy/compose.yaml as plain processes: its Redis with its ACL, two workers, metrics and Flower.

Commands and environments are compose's own; only places differ (a free port, folders of the test's own).
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from redis import Redis
from redis.exceptions import AuthenticationError, BusyLoadingError, ConnectionError

import flowq
from flowq.engine.redis_client import make_client
from flowq.local import find_redis_server
from tests import nodes
from tests.flower import Flower
from tests.programs import ROOT
from tests.waiting import until

DEPLOY = ROOT / "deploy"
SERVICES: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
SECRETS = {"REDIS_PASSWORD": "a1b2c3", "FLOWER_PASSWORD": "d4e5f6", "FLOWQ_IMPORTS": "tests.nodes"}


def filled(text: str) -> str:
    """*text* with the variables that compose fills in, and its ``$$``."""

    def value(found: re.Match[str]) -> str:
        return SECRETS.get(found[1], found[2] or "")

    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", value, text).replace("$$", "$")


class Composed:
    """One service as a process group.

    Args:
        name: of the service.
        folder: for its log and its files.
        port: where Redis is.
        changes: environment variables of this machine.
    """

    def __init__(self, name: str, folder: Path, port: int, **changes: str) -> None:
        service = SERVICES[name]
        environment = {key: filled(value) for key, value in service["environment"].items()}
        environment = {key: value.replace("@redis:6379", f"@127.0.0.1:{port}") for key, value in environment.items()}
        command = [filled(word).replace("0.0.0.0", "127.0.0.1") for word in service["command"]]
        if name == "redis":
            command[-1] = in_folder(command[-1], folder, port)
        else:
            command = [sys.executable, "-m", "flowq", *command, *(["--port", "0"] if name == "metrics" else [])]
        self.log = folder / f"{name}-{changes.get('FLOWQ_WORKER_NAME', '')}.log"
        with self.log.open("wb") as out:
            self.popen = subprocess.Popen(
                command, env={**os.environ, "PYTHONPATH": str(ROOT), **environment, **changes}, cwd=ROOT,
                stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def stop(self, grace_s: float) -> int:
        self.popen.terminate()
        try:
            return self.popen.wait(grace_s)
        finally:
            if self.popen.poll() is None:
                os.killpg(self.popen.pid, signal.SIGKILL)


def in_folder(script: str, folder: Path, port: int) -> str:
    """The command of compose's Redis with the places of this machine."""
    places = {
        "/etc/redis/users.acl.in": DEPLOY / "users.acl",
        "/etc/redis/redis.conf": DEPLOY / "redis.conf",
        "/tmp/users.acl": folder / "users.acl",
        "exec redis-server": f"exec {find_redis_server()}",
    }
    for there, here in places.items():
        assert there in script
        script = script.replace(there, str(here))
    return f"{script} --dir {folder} --port {port} --bind 127.0.0.1"


@pytest.fixture(scope="module")
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[dict[str, Composed]]:
    folder = tmp_path_factory.mktemp("deploy")
    started = {"redis": Composed("redis", folder, port)}
    try:
        client = Redis(port=port, username="flowq", password=SECRETS["REDIS_PASSWORD"])
        until(lambda: answers(client), 10, "Redis answers its user")
        for name in ("one", "two"):
            places = {"FLOWQ_WORKER_NAME": name, "FLOWQ_READY_FILE": str(folder / name)}
            started[name] = Composed("worker", folder, port, **places)
        started["metrics"] = Composed("metrics", folder, port)
        for name in ("one", "two"):
            until((folder / name).exists, 30, f"worker {name} consumes")
        yield started
    finally:
        for one in reversed(started.values()):
            one.stop(30)


def answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except (ConnectionError, BusyLoadingError):
        return False


def url_of(port: int) -> str:
    return f"redis://flowq:{SECRETS['REDIS_PASSWORD']}@127.0.0.1:{port}/0"


def test_it_runs_batches_on_both_workers_and_shows_them(fleet: dict[str, Composed], port: int, tmp_path: Path) -> None:
    with flowq.LocalCluster(workers=0, broker_url=url_of(port)):  # none of its own: a producer
        result = nodes.Slow(0.05).map(range(40))
    assert result == list(range(40))
    assert {one.worker.partition("@")[0] for one in result.items} == {"one", "two"}

    where = re.search(r"http://\S+/metrics", fleet["metrics"].log.read_text())
    assert where

    def told(line: str) -> bool:
        return line in urllib.request.urlopen(where[0], timeout=10).read().decode()

    until(lambda: told('flowq_outcomes_total{node="Slow",outcome="ok",queue="flowq"} 40.0'), 10, "the outcomes")
    assert told('flowq_workers{queue="flowq"} 2.0')

    flower = Flower(url_of(port), tmp_path / "flower.log")
    try:
        until(lambda: {name.partition("@")[0] for name in flower.workers()} == {"one", "two"}, 10, "both workers")
    finally:
        flower.end()


def test_its_redis_is_as_the_file_says_and_a_stranger_gets_nothing(fleet: dict[str, Composed], port: int) -> None:
    info = Redis(port=port, username="flowq", password=SECRETS["REDIS_PASSWORD"]).info()
    assert info["aof_enabled"] == 1
    assert info["maxmemory_policy"] == "noeviction"
    assert info["maxmemory"] == 1 << 30
    with pytest.raises(AuthenticationError):
        make_client(f"redis://127.0.0.1:{port}/0", answer_within_s=5).ping()


def test_its_probe_tells_a_worker_from_none_and_sigterm_ends_it(fleet: dict[str, Composed], port: int) -> None:
    ready = fleet["one"].log.parent / "one"

    def healthy(path: Path) -> bool:
        probe = [sys.executable, "-I", "-S", "workers/health.py", str(path)]
        return subprocess.run(probe, cwd=ROOT, timeout=10, check=False).returncode == 0

    assert healthy(ready)
    beaten_at = ready.stat().st_mtime
    until(lambda: ready.stat().st_mtime > beaten_at, 10, "it is touched with every pulse")
    grace_s = float(SERVICES["worker"]["stop_grace_period"].removesuffix("s"))
    assert fleet["one"].stop(grace_s) == 0
    assert not any("NOPERM" in line for line in fleet["one"].log.read_text().splitlines())
