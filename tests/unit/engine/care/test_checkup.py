"""The checks of `flowq doctor` on Redis: from what INFO says to a verdict and what to change."""

from __future__ import annotations

from typing import Any

import pytest
from redis.exceptions import AuthenticationError, ConnectionError

from flowq.engine.care import checkup
from flowq.engine.headroom import Memory, memory_of
from flowq.settings import Settings

MIB = 1024 * 1024


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        ({"redis_version": "6.2.14"}, "ok"),
        ({"redis_version": "7.4"}, "ok"),
        ({"redis_version": "8.0.1"}, "ok"),
        ({"redis_version": "6.0.20"}, "fail"),
        ({"redis_version": "5.0.7"}, "fail"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, "ok"),
    ],
)
def test_a_redis_older_than_six_two_fails(info: dict[str, Any], verdict: str) -> None:
    found = checkup.version(info)
    assert found.verdict == verdict
    assert bool(found.advice) == (verdict == "fail")


def test_valkey_is_called_valkey() -> None:
    assert checkup.version({"redis_version": "7.2.4", "valkey_version": "8.0.1"}).found == "Valkey 8.0.1"


@pytest.mark.parametrize(
    ("info", "verdict", "says"),
    [
        ({"redis_mode": "standalone", "role": "master"}, "ok", "a single Redis"),
        ({"redis_mode": "cluster"}, "fail", "Redis Cluster"),
        ({"redis_mode": "standalone", "cluster_enabled": 1}, "fail", "Redis Cluster"),
        ({"redis_mode": "sentinel"}, "fail", "Sentinel"),
        ({"redis_mode": "standalone", "role": "slave"}, "fail", "a replica"),
        ({"redis_mode": "standalone", "role": "master", "connected_slaves": 2}, "warn", "2 replicas"),
    ],
)
def test_it_must_be_one_redis_that_takes_writes(info: dict[str, Any], verdict: str, says: str) -> None:
    (found,) = checkup.topology(info)
    assert (found.verdict, bool(found.advice)) == (verdict, verdict != "ok")
    assert says in found.found


def test_without_appendonly_the_line_to_change_is_named() -> None:
    found = checkup.persistence({"aof_enabled": 0}, "everysec")
    assert found.verdict == "warn"
    assert "redis.conf: appendonly yes" in found.advice


@pytest.mark.parametrize("fsync", ["always", "everysec", None])
def test_with_appendonly_all_is_well_also_where_its_fsync_cannot_be_told(fsync: str | None) -> None:
    found = checkup.persistence({"aof_enabled": 1, "aof_last_write_status": "ok"}, fsync)
    assert (found.verdict, found.advice) == ("ok", "")
    assert (fsync or "appendonly yes") in found.found


def test_appendonly_that_is_never_synced_is_worth_a_warning() -> None:
    assert checkup.persistence({"aof_enabled": 1}, "no").advice == "redis.conf: appendfsync everysec"


@pytest.mark.parametrize("status", ["aof_last_write_status", "rdb_last_bgsave_status"])
def test_a_disk_that_takes_no_more_fails(status: str) -> None:
    assert checkup.persistence({"aof_enabled": 1, status: "err"}, "everysec").verdict == "fail"


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [("noeviction", "ok"), ("volatile-lru", "warn"), ("allkeys-lru", "fail"), ("allkeys-random", "fail")],
)
def test_a_redis_that_throws_batches_away_fails(policy: str, verdict: str) -> None:
    found = checkup.eviction(Memory(0, 0, policy))
    assert found.verdict == verdict
    assert ("maxmemory-policy noeviction" in found.advice) == (verdict != "ok")


@pytest.mark.parametrize(
    ("used", "verdict"), [(10, "ok"), (59, "ok"), (61, "warn"), (79, "warn"), (80, "fail"), (101, "fail")]
)
def test_memory_is_judged_by_what_is_left_before_items_are_refused(used: int, verdict: str) -> None:
    found = checkup.room(Memory(used * MIB, 100 * MIB, "noeviction"), 0)
    assert found.verdict == verdict
    assert f"{used:.1f} of 100.0 MiB used ({used}%)" in found.found


def test_without_maxmemory_three_quarters_of_the_machine_are_suggested() -> None:
    found = checkup.room(Memory(MIB, 0, "noeviction"), 16 * 1024 * MIB)
    assert (found.verdict, found.advice) == ("warn", "redis.conf: maxmemory 12288mb")


def test_buffers_that_redis_does_not_count_are_not_counted() -> None:
    memory = memory_of(
        {"used_memory": 50, "mem_not_counted_for_evict": 20, "maxmemory": 100, "maxmemory_policy": "noeviction"}
    )
    assert (memory.used_bytes, memory.share) == (30, 0.3)


def test_what_a_user_lacks_is_named_with_the_rule_that_gives_it() -> None:
    found = checkup.permissions([f"CMD{n}" for n in range(10)], "ACL SETUSER app …")
    assert (found.verdict, found.advice) == ("fail", "ACL SETUSER app …")
    assert "CMD0, CMD1" in found.found
    assert "and 2 more" in found.found
    assert checkup.permissions([], "…").verdict == "ok"


def test_info_alone_is_wanting_but_not_needed() -> None:
    assert checkup.permissions(["INFO"], "…").verdict == "warn"


@pytest.mark.parametrize(
    ("ahead_s", "verdict"), [(0.2, "ok"), (-0.9, "ok"), (-1.5, "warn"), (29.0, "warn"), (-31.0, "fail")]
)
def test_a_clock_that_is_off_is_said_with_its_side(ahead_s: float, verdict: str) -> None:
    found = checkup.clock(ahead_s)
    assert found.verdict == verdict
    assert ("behind" if ahead_s < 0 else "ahead of") in found.found


def test_latency_is_judged_by_the_median() -> None:
    assert checkup.latency([0.0002] * 9 + [0.5]).verdict == "ok"
    assert checkup.latency([0.02] * 10).verdict == "warn"


def test_why_there_is_no_answer_is_said_without_the_password() -> None:
    settings = Settings(broker_url="redis://app:secret@db.internal:6379/0")
    for error in (ConnectionError("Error 111. Connection refused."), AuthenticationError("WRONGPASS")):
        found = checkup.unreachable(settings, error)
        assert found.verdict == "fail"
        assert str(error).rstrip(".") in found.found
        assert "secret" not in found.found + found.advice
    assert "user and password" in found.advice
