"""The permissions that the connected user lacks, of all that flowq, Celery and kombu use: found by harmless commands.

They use keys of their own, mostly of the wrong type: Redis checks the permission before the type.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator

from redis.exceptions import NoPermissionError, ResponseError

from flowq.engine.keys import Keys
from flowq.engine.redis_client import RedisClient

KEPT_MS = 10_000

_READS = (
    "EXISTS", "GET", "MGET", "HGETALL", "HKEYS", "HLEN", "LLEN", "PTTL", "SCARD", "SMEMBERS", "HGET a", "HMGET a",
    "SISMEMBER a", "ZCOUNT 0 1", "ZRANGE 0 -1", "ZRANGEBYSCORE 0 1", "ZREVRANGEBYSCORE 1 0", "ZSCORE a",
)  # fmt: skip
_WRITES = (
    "BRPOP 1", "EXPIRE 10", "HDEL a", "HINCRBY a 1", "HSET a b", "HSETNX a b", "INCR", "LPOP", "LPUSH a", "RPUSH a",
    "PEXPIRE 10000", "SADD a", "SREM a", "ZADD 1 a", "ZREM a", "ZREMRANGEBYSCORE 0 1", "PERSIST", "UNLINK", "DEL",
)  # fmt: skip


def lacking(redis: RedisClient, keys: Keys) -> list[str]:
    """What the user lacks: commands, "~pattern" for keys, "&pattern" for channels; [] if nothing."""
    trial = f"trial-{uuid.uuid4().hex[:10]}"
    refused: dict[str, None] = {}
    for command in _commands(keys, trial):
        try:
            redis.execute_command(*command)
        except NoPermissionError as exc:
            refused[_what(command[0], str(exc), keys)] = None
        except ResponseError:
            pass  # wrong type, or no such script: the command is permitted
    try:
        with redis.pipeline(transaction=True) as pipe:
            pipe.ping()
            pipe.execute()
    except NoPermissionError:
        refused["MULTI"] = None
    except ResponseError:
        pass  # Redis is full: the command is permitted
    refused |= dict.fromkeys(_channels(redis, keys, trial))
    return list(refused)


def database(redis: RedisClient) -> int:
    """The number of the database that the client uses."""
    return int(redis.connection_pool.connection_kwargs.get("db") or 0)


def _commands(keys: Keys, trial: str) -> Iterator[tuple[str, ...]]:
    key, moved = keys.of(trial, "open"), keys.of(trial, "redo")
    yield ("SET", key, "a trial", "PX", str(KEPT_MS))
    yield ("TIME",)
    yield ("INFO", "memory")
    yield ("SCRIPT", "LOAD", "return 1")
    yield ("EVALSHA", "0" * 40, "1", key)
    yield ("PUBLISH", keys.closed_channel(trial), "a trial")
    yield ("LMOVE", key, moved, "LEFT", "LEFT")
    yield ("SETEX", key, "10", "a trial")
    for text in (*_READS, *_WRITES):
        name, *arguments = text.split()
        yield (name, key, *arguments)


def _channels(redis: RedisClient, keys: Keys, trial: str) -> Iterator[str]:
    """The ACL rules or commands that the user lacks to subscribe to batches' channels and remote control."""
    control = keys.remote_control(database(redis))
    for command, name, rule in (
        ("SUBSCRIBE", keys.closed_channel(trial), f"&{keys.prefix}:*"),
        ("PSUBSCRIBE", control, f"&{control}"),
    ):
        with redis.pubsub() as pubsub:
            try:
                pubsub.execute_command(command, name)
                pubsub.parse_response(block=False, timeout=1.0)
            except NoPermissionError as exc:
                yield rule if "channel" in str(exc) else command


def _what(command: str, refusal: str, keys: Keys) -> str:
    if "channel" in refusal:
        return f"&{keys.prefix}:*"
    # "…to access one of the keys", "…to access a key"; otherwise it is the command.
    return f"~{keys.prefix}:*" if "access" in refusal else command
