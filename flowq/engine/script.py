"""One Lua file that stands alone, as a call. The ledger's acts, which share a head, are the ledger's."""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Any

from redis.exceptions import NoScriptError

from flowq.engine.redis_client import RedisClient


@cache
def source(name: str) -> str:
    """The text of ``lua/{name}.lua``."""
    return (resources.files("flowq.engine") / "lua" / f"{name}.lua").read_text()


class Script:
    """``lua/{name}.lua`` on one Redis."""

    def __init__(self, redis: RedisClient, name: str) -> None:
        self._redis, self._name = redis, name
        self._digest: str | None = None

    def __call__(self, keys: list[str], *args: Any) -> Any:
        """Run it; loads it first where Redis does not know it (any more)."""
        if self._digest is not None:
            try:
                return self._redis.evalsha(self._digest, len(keys), *keys, *args)
            except NoScriptError:
                pass
        digest = self._redis.script_load(source(self._name))
        self._digest = digest.decode() if isinstance(digest, bytes) else str(digest)
        return self._redis.evalsha(self._digest, len(keys), *keys, *args)
