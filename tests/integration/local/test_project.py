"""The Redis of a folder in which flows are run locally: which program it is, and where a second command finds it."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from flowq.local import Project, find_redis_server
from tests.waiting import until


class SlowServer:
    """A redis-server, for FLOWQ_REDIS_SERVER, that says when it is started and waits until it may go on."""

    def __init__(self, folder: Path) -> None:
        self.began, self.may_go_on = folder / "began", folder / "may-go-on"
        self.path = folder / "slow-redis-server"
        real = find_redis_server()
        self.path.write_text(
            f'#!/bin/sh\nif [ "$1" != --version ]; then\ntouch "{self.began}"\n'
            f'while [ ! -e "{self.may_go_on}" ]; do sleep 0.01; done\nfi\nexec "{real}" "$@"\n'
        )
        self.path.chmod(0o755)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlowServer:
    made = SlowServer(tmp_path)
    monkeypatch.setenv("FLOWQ_REDIS_SERVER", str(made.path))
    return made


def test_the_redis_server_is_the_one_that_the_settings_name(server: SlowServer, tmp_path: Path) -> None:
    server.may_go_on.touch()
    with Project(tmp_path).open():
        assert server.began.exists()


def test_who_comes_while_redis_starts_is_not_sent_to_that_of_a_command_that_was_killed(
    server: SlowServer, tmp_path: Path
) -> None:
    left_behind = tmp_path / ".flowq" / "live.json"
    left_behind.parent.mkdir()
    left_behind.write_text(json.dumps({"url": "redis+socket:///gone/redis.sock", "pid": 1}))
    both_know = threading.Barrier(2)

    def url() -> str:
        with Project(tmp_path).open() as opened:
            both_know.wait(20)
            return opened.url

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(url)
        until(server.began.exists, 10, "the first starts its Redis")
        stands = left_behind.exists()
        second = pool.submit(url)
        server.may_go_on.touch()
        assert first.result(20) == second.result(20)
    assert not stands, "what is said of a Redis is true from the moment that somebody may read it"
