"""An EmbeddedRedis from its start to its end, killed and restarted on the way."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis

from flowq.errors import ConfigError
from flowq.local import EmbeddedRedis


def client(server: EmbeddedRedis) -> Redis:
    return Redis.from_url(server.redis_url)


def test_it_answers_and_leaves_nothing_behind(all_end: Callable[[list[int]], bool]) -> None:
    with EmbeddedRedis() as server:
        folder, pid = server.folder, server.pid
        with client(server) as redis:
            assert redis.ping()
            assert redis.info("server")["process_id"] == pid
    assert all_end([pid])
    assert not folder.exists()


def test_nobody_else_can_enter_its_folder() -> None:
    with EmbeddedRedis() as server:
        assert server.folder.stat().st_mode & 0o777 == 0o700
        assert server.socket_path.stat().st_mode & 0o777 == 0o700


def test_it_listens_on_no_port_and_writes_nothing_to_disk() -> None:
    with EmbeddedRedis() as server, client(server) as redis:
        # One at a time: Redis 6.2 knows no other way.
        settings = redis.config_get("port") | redis.config_get("save") | redis.config_get("appendonly")
    assert settings == {"port": "0", "save": "", "appendonly": "no"}


def test_its_socket_fits_also_where_the_temporary_folder_is_deep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.mkdir(parents=True)
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with EmbeddedRedis() as server, client(server) as redis:
        assert len(os.fsencode(server.socket_path)) < 108
        assert redis.ping()


def test_its_url_survives_a_folder_with_an_odd_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = Path("/tmp") / f"a b%20?{os.getpid()}"
    odd.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(odd))
    with EmbeddedRedis() as server, client(server) as redis:
        assert redis.ping()
    odd.rmdir()


def test_several_live_beside_each_other() -> None:
    with EmbeddedRedis() as one, EmbeddedRedis() as other, client(one) as first, client(other) as second:
        first.set("whose", "one")
        assert second.get("whose") is None


def test_killed_it_comes_back_empty_at_the_same_address() -> None:
    with EmbeddedRedis() as server, client(server) as redis:
        redis.set("a", 1)
        address, pid = server.redis_url, server.pid
        server.kill()
        server.restart()
        assert server.redis_url == address
        assert server.pid != pid
        assert redis.get("a") is None


def test_with_appendonly_it_comes_back_with_its_data() -> None:
    with EmbeddedRedis(appendonly=True, options={"appendfsync": "always"}) as server, client(server) as redis:
        redis.set("a", 1)
        server.kill()
        server.restart()
        assert redis.get("a") == b"1"


def test_a_given_data_folder_outlives_it(tmp_path: Path) -> None:
    with EmbeddedRedis(appendonly=True, data_folder=tmp_path) as server, client(server) as redis:
        redis.set("a", 1)
    with EmbeddedRedis(appendonly=True, data_folder=tmp_path) as server, client(server) as redis:
        assert redis.get("a") == b"1"


def test_on_a_free_port_it_keeps_that_port() -> None:
    with EmbeddedRedis(port=0) as server, client(server) as redis:
        address = server.url
        assert address == server.redis_url
        assert redis.config_get("bind") == {"bind": "127.0.0.1"}
        server.kill()
        server.restart()
        assert server.url == address
        assert redis.ping()


def test_a_directive_it_does_not_know_is_shown_with_what_redis_says_of_it() -> None:
    with pytest.raises(ConfigError, match="no-such-directive"):
        EmbeddedRedis(options={"no-such-directive": "1"}).start()


def test_it_outlives_the_thread_that_started_it() -> None:
    server = EmbeddedRedis()
    thread = threading.Thread(target=server.start)
    thread.start()
    thread.join()
    with server, client(server) as redis:
        assert redis.ping()


def test_it_can_be_stopped_twice_and_started_again() -> None:
    server = EmbeddedRedis()
    for _ in range(2):
        with server, client(server) as redis:
            assert redis.ping()
        server.stop()


def test_unstarted_it_has_no_address() -> None:
    with pytest.raises(RuntimeError, match="not started"):
        _ = EmbeddedRedis().url
