"""The checks of `flowq doctor` on Redis: its version and configuration, judged by its own replies.

Pure functions from replies to findings. Workers and batches: checkup_fleet.py. The queries: examination.py.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from redis.exceptions import AuthenticationError

from flowq.engine.headroom import FULL_AT, Memory
from flowq.settings import Settings, redacted

OLDEST = (6, 2)
SLOW_MS = 5.0
SKEW_S, SKEW_LIMIT_S = 1.0, 30.0
FILLING_AT = 0.6
MIB = 1024 * 1024

Verdict = Literal["ok", "warn", "fail"]
Info = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a checkup.

    Attributes:
        check: what was checked.
        verdict: "ok"; "warn": it works, at a cost; "fail": it does not work, or loses batches.
        found: the present state.
        advice: what to change, "" for nothing.
    """

    check: str
    verdict: Verdict
    found: str
    advice: str = ""


def version(info: Info) -> Finding:
    """Whether Redis is new enough. Valkey reports the Redis version that it is compatible with."""
    is_valkey = "valkey_version" in info
    shown = f"Valkey {info['valkey_version']}" if is_valkey else f"Redis {info['redis_version']}"
    numbers = tuple(int(part) for part in str(info["redis_version"]).split(".")[:2])
    if is_valkey or numbers >= OLDEST:
        return Finding("version", "ok", shown)
    return Finding("version", "fail", shown, "upgrade to Redis 6.2 or newer, or to Valkey")


def topology(info: Info) -> list[Finding]:
    """Whether this is a single Redis, as flowq and Celery's transport require."""
    mode, replicas = str(info.get("redis_mode", "standalone")), int(info.get("connected_slaves", 0))
    single = "use a single Redis (or Valkey): Celery's transport has no Redis Cluster"
    if mode == "cluster" or int(info.get("cluster_enabled", 0)):
        return [Finding("topology", "fail", "Redis Cluster", single)]
    if mode == "sentinel":
        return [Finding("topology", "fail", "a Sentinel, which holds no data", "give the URL of the Redis it watches")]
    if info.get("role") == "slave":
        return [Finding("topology", "fail", "a replica: it takes no writes", "give the URL of its master")]
    if not replicas:
        return [Finding("topology", "ok", "a single Redis")]
    found = f"a master with {replicas} replica{'s' if replicas > 1 else ''}"
    advice = "a failover loses what was acknowledged last: those items run again, or their batch is lost"
    return [Finding("topology", "warn", found, advice)]


def persistence(info: Info, fsync: str | None) -> Finding:
    """Whether batches survive a restart of Redis. *fsync*: its appendfsync, None if unknown."""
    if info.get("aof_last_write_status", "ok") != "ok" or info.get("rdb_last_bgsave_status", "ok") != "ok":
        found = "the last write to disk failed: Redis may refuse to change anything"
        return Finding("persistence", "fail", found, "make room on the disk of Redis' folder (dir), see Redis' log")
    if not int(info.get("aof_enabled", 0)):
        found = "appendonly no: when Redis restarts, all batches are lost"
        return Finding("persistence", "warn", found, "redis.conf: appendonly yes  (at once: CONFIG SET appendonly yes)")
    if fsync == "no":
        found = "appendonly yes, appendfsync no: half a minute is lost if the machine crashes"
        return Finding("persistence", "warn", found, "redis.conf: appendfsync everysec")
    shown = "" if fsync is None else f", appendfsync {fsync}"
    return Finding("persistence", "ok", f"appendonly yes{shown}")


def eviction(memory: Memory) -> Finding:
    """Whether Redis evicts batches to make room."""
    found, line = f"maxmemory-policy {memory.policy}", "redis.conf: maxmemory-policy noeviction"
    if memory.policy == "noeviction":
        return Finding("eviction", "ok", found)
    if memory.policy.startswith("volatile-"):
        return Finding("eviction", "warn", f"{found}: results vanish before their retention is over", line)
    return Finding("eviction", "fail", f"{found}: running batches are thrown away when memory runs out", line)


def room(memory: Memory, machine_bytes: int) -> Finding:
    """How full Redis is. *machine_bytes*: the memory of its machine, 0 if unknown."""
    used = f"{memory.used_bytes / MIB:,.1f}"
    if not memory.max_bytes:
        suggested = f"{machine_bytes * 3 // 4 // MIB}mb" if machine_bytes else "three quarters of its machine's memory"
        found = f"{used} MiB used, no maxmemory: it grows until the system kills it"
        return Finding("memory", "warn", found, f"redis.conf: maxmemory {suggested}")
    found = f"{used} of {memory.max_bytes / MIB:,.1f} MiB used ({memory.share:.0%})"
    advice = "raise maxmemory, or keep ended batches for less long (retention_s)"
    if memory.share >= FULL_AT:
        return Finding("memory", "fail", f"{found}: above {FULL_AT:.0%} no items are taken (RedisFull)", advice)
    if memory.share >= FILLING_AT:
        return Finding("memory", "warn", f"{found}: above {FULL_AT:.0%} no items will be taken", advice)
    return Finding("memory", "ok", found)


def permissions(missing: Sequence[str], rule: str) -> Finding:
    """The permissions that the connected user lacks. *rule*: the ACL that grants all of them."""
    if not missing:
        return Finding("permissions", "ok", "this user may do all that flowq and Celery do")
    shown = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
    verdict: Verdict = "warn" if list(missing) == ["INFO"] else "fail"
    return Finding("permissions", verdict, f"this user lacks {shown}", rule)


def clock(ahead_s: float) -> Finding:
    """How far Redis' clock is ahead of this machine's."""
    side = "ahead of" if ahead_s >= 0 else "behind"
    found = f"Redis' clock is {abs(ahead_s):.3f} s {side} this machine's"
    if abs(ahead_s) < SKEW_S:
        return Finding("clock", "ok", found)
    advice = "run NTP (chrony, systemd-timesyncd) on both"
    return Finding("clock", "fail" if abs(ahead_s) > SKEW_LIMIT_S else "warn", found, advice)


def latency(seconds: Sequence[float]) -> Finding:
    """How long a round trip takes."""
    median_ms, worst_ms = 1000 * statistics.median(seconds), 1000 * max(seconds)
    found = f"{median_ms:.2f} ms a round trip (the slowest of {len(seconds)}: {worst_ms:.2f} ms)"
    if median_ms < SLOW_MS:
        return Finding("latency", "ok", found)
    return Finding("latency", "warn", found, "run workers and Redis in one network; a chunk takes four round trips")


def unreachable(settings: Settings, error: Exception) -> Finding:
    """Why Redis does not answer."""
    url = redacted(settings.url)
    if isinstance(error, AuthenticationError):
        advice = "put user and password into the URL: FLOWQ_BROKER_URL=redis://user:password@host:6379/0"
        return Finding("redis", "fail", f"{url} refuses this user ({error})", advice)
    found = f"no Redis answers at {url} ({str(error).rstrip('.') or type(error).__name__})"
    advice = "start one there, or set FLOWQ_BROKER_URL to one that runs"
    if settings.broker_url is None:
        advice = "FLOWQ_BROKER_URL is not set: batches run in the program itself. Set it to use workers"
    return Finding("redis", "fail", found, advice)
