"""Queries Redis for the checks of `flowq doctor`, and collects their findings. Changes no batch or setting."""

from __future__ import annotations

import time
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

from redis.exceptions import NoPermissionError

from flowq import __version__
from flowq.engine.app import build_app, queue_length, queue_list
from flowq.engine.care import checkup, checkup_fleet
from flowq.engine.care.checkup import Finding
from flowq.engine.care.checkup_fleet import BatchSeen
from flowq.engine.care.permissions import database, lacking
from flowq.engine.feed_beats import is_fed
from flowq.engine.fleet.presence import sightings
from flowq.engine.headroom import memory_of
from flowq.engine.keys import Keys
from flowq.engine.redis_client import REDIS_ERRORS, RedisClient, make_client
from flowq.settings import Settings, redacted

ANSWER_WITHIN_S = 3.0
PINGS = 10

_FIELDS = ("v", "state", "avail", "sealed", "ok", "fallback", "failed", "queue")


def examine(settings: Settings) -> list[Finding]:
    """All findings on the settings' Redis and its workers; an error becomes a finding and is never raised."""
    client, first = connected(settings)
    if client is None:
        return [first]
    try:
        findings = [first, *_told("server", lambda: server(client))]
        if any(one.check == "topology" and one.verdict == "fail" for one in findings):
            return findings
        return [*findings, *access(client, settings), *_told("workers", lambda: fleet(client, settings))]
    finally:
        client.close()


def connected(settings: Settings) -> tuple[RedisClient | None, Finding]:
    """A client for the settings' Redis, None if it does not answer; and the finding about that."""
    try:
        client = make_client(settings.url, answer_within_s=ANSWER_WITHIN_S)
    except ValueError as exc:
        advice = "give redis://host:6379/0, rediss://… for TLS, or redis+socket:///path"
        return None, Finding("redis", "fail", f"{redacted(settings.url)} is no URL of a Redis ({exc})", advice)
    try:
        client.ping()
    except NoPermissionError:
        pass  # a refusal is an answer, too
    except REDIS_ERRORS as exc:
        return None, checkup.unreachable(settings, exc)
    return client, Finding("redis", "ok", f"answers at {redacted(settings.url)}")


def server(client: RedisClient) -> list[Finding]:
    """The findings from INFO."""
    info = client.info()
    memory = memory_of(info)
    return [
        checkup.version(info),
        *checkup.topology(info),
        checkup.persistence(info, _appendfsync(client)),
        checkup.eviction(memory),
        checkup.room(memory, int(info.get("total_system_memory", 0))),
    ]


def access(client: RedisClient, settings: Settings) -> list[Finding]:
    """The findings about this user's permissions and the connection from here."""
    keys = Keys(settings.prefix)
    user = unquote(urlsplit(settings.url).username or "") or "default"

    def rights() -> list[Finding]:
        return [checkup.permissions(lacking(client, keys), keys.acl(user, database(client)))]

    return [
        *_told("permissions", rights),
        *_told("clock", lambda: [checkup.clock(_ahead_s(client))]),
        *_told("latency", lambda: [checkup.latency([_round_trip_s(client) for _ in range(PINGS)])]),
    ]


def fleet(client: RedisClient, settings: Settings) -> list[Finding]:
    """The findings about workers and batches."""
    keys = Keys(settings.prefix)
    seen = sightings(client, keys)
    known = [_batch(client, keys, name) for name in client.zrange(keys.batches, 0, -1)]
    batches = [batch for batch in known if batch is not None]
    app = build_app(settings)
    lists = {settings.queue: queue_list(app, settings.queue)}
    lists |= {batch.queue: queue_list(app, batch.queue) for batch in batches}
    # Workers on a team's own Celery app consume that app's lists.
    lists |= {name: where for one in seen if one.record is not None for name, where in one.record.queues.items()}
    messages = {queue: queue_length(client, app, where) for queue, where in lists.items()}
    return [
        *checkup_fleet.workers(seen, settings.queue, __version__),
        *checkup_fleet.backlog(batches, messages, checkup_fleet.served(seen)),
    ]


def _told(check: str, ask: Callable[[], list[Finding]]) -> list[Finding]:
    """The findings of *ask*; if Redis refuses or does not answer, a finding that says why."""
    try:
        return ask()
    except NoPermissionError as exc:
        return [Finding(check, "warn", f"cannot tell, because {exc}")]
    except REDIS_ERRORS as exc:
        return [Finding(check, "fail", f"cannot tell, because {str(exc) or type(exc).__name__}")]


def _appendfsync(client: RedisClient) -> str | None:
    try:
        return str(client.config_get("appendfsync")["appendfsync"])
    except (*REDIS_ERRORS, KeyError):
        return None


def _ahead_s(client: RedisClient) -> float:
    """Seconds that Redis' clock is ahead of this machine's, within half a round trip."""
    asked = time.time()
    seconds, micros = client.time()
    return float(seconds + micros / 1e6 - (asked + time.time()) / 2)


def _round_trip_s(client: RedisClient) -> float:
    began = time.perf_counter()
    client.time()
    return time.perf_counter() - began


def _batch(client: RedisClient, keys: Keys, name: bytes) -> BatchSeen | None:
    batch_id = name.decode(errors="replace")
    with client.pipeline(transaction=False) as pipe:
        pipe.hmget(keys.meta(batch_id), _FIELDS).hlen(keys.of(batch_id, "open")).hlen(keys.of(batch_id, "parked"))
        values, open_chunks, parked, beats_until_ms, now, lack = (
            pipe.zscore(keys.of(batch_id, "wake"), "feed").time().get(keys.lack(batch_id)).execute()
        )
    if values[1] is None:
        return None
    schema, state, avail, sealed, *counts, queue = values
    fed = sealed == b"1" or is_fed(beats_until_ms, now)
    done = sum(int(count or 0) for count in counts)
    return BatchSeen(
        batch_id, _text(schema), _text(state), _text(queue), int(avail), done, open_chunks, parked, fed, _text(lack)
    )  # fmt: skip


def _text(value: bytes | None) -> str:
    return (value or b"").decode(errors="replace")
