"""Calling Lua scripts by digest, and the scripts that are one file each. The ledger's acts share a head: ledger.py."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from hashlib import sha1
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

from flowq.engine.redis_client import RedisClient


@cache
def source(name: str) -> str:
    """The text of ``lua/{name}.lua``."""
    return (resources.files("flowq.engine") / "lua" / f"{name}.lua").read_text()


@cache
def _digest(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


def call(redis: RedisClient, text: str, keys: Sequence[str], *args: Any) -> Any:
    """Run a script by its digest; send its text if Redis does not know it (any more)."""
    try:
        return redis.evalsha(_digest(text), len(keys), *keys, *args)
    except NoScriptError:
        # EVAL loads and runs in one step: between SCRIPT LOAD and EVALSHA a restart or SCRIPT FLUSH could drop it
        # again, and an item must not fail for that.
        return redis.eval(text, len(keys), *keys, *args)


class Script:
    """``lua/{name}.lua`` on one Redis."""

    def __init__(self, redis: RedisClient, name: str) -> None:
        self._redis, self._name = redis, name

    def __call__(self, keys: Sequence[str], *args: Any) -> Any:
        """Run it."""
        return call(self._redis, source(self._name), keys, *args)
