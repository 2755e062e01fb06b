"""A Redis that forgets its scripts at the worst moment: after a restart, or when somebody flushes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from flowq.engine.keys import Keys
from flowq.engine.ledger import Ledger
from flowq.engine.redis_client import make_client
from flowq.engine.script import Script
from flowq.local import EmbeddedRedis

CALLS: dict[str, Callable[[Any], Any]] = {
    "an act of the ledger": lambda redis: Ledger(redis, Keys("flowq")).control("b-1", "cancel"),
    "a script that stands alone": lambda redis: Script(redis, "circuit_ask")(
        ["flowq:circuit"], "", "somebody", 1000, 100
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_a_script_that_is_forgotten_as_often_as_it_is_called_is_run_all_the_same(
    redis: Redis, redis_server: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], Any]
) -> None:
    client = make_client(redis_server.url)
    expected, asked = call(client), client.evalsha

    def forgotten(*words: Any) -> Any:
        redis.script_flush()
        return asked(*words)

    monkeypatch.setattr(client, "evalsha", forgotten)
    assert call(client) == expected
    assert call(client) == expected
    client.close()
