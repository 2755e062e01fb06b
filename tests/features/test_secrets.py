"""Secrets in stores, nodes, items and results: used where they are wanted, and in the clear nowhere on the way."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from redis import Redis

import flowq
from flowq.codec import secrets
from flowq.codec.secrets import Keyring
from flowq.local import LocalCluster
from tests.features.nodes import Calls, UsesToken, UseTokens
from tests.nodes import Echo

WORD = "correct-horse-battery-staple"


@pytest.fixture
def watched(executor: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[None]:
    """Nothing that Redis was told meanwhile, and no line of the workers' logs, holds the word."""
    if executor == "inline":
        yield
        return
    cluster: LocalCluster = request.getfixturevalue("cluster")
    redis = Redis.from_url(cluster.redis.redis_url)
    logged = {worker.log_path: worker.log_path.stat().st_size for worker in cluster.workers}
    yield
    held = b"".join(everything(redis))
    assert WORD.encode() not in held
    assert len(held) > 1000
    for path, size in logged.items():
        assert WORD.encode() not in path.read_bytes()[size:]
    redis.close()


def everything(redis: Any) -> Iterator[bytes]:
    """Every key and value, as stored."""
    read = {
        b"string": redis.get,
        b"hash": lambda key: redis.hgetall(key).items(),
        b"list": lambda key: redis.lrange(key, 0, -1),
        b"set": redis.smembers,
        b"zset": lambda key: redis.zrange(key, 0, -1),
        b"stream": redis.xrange,
        b"none": lambda key: "",  # gone since it was listed
    }
    for key in redis.scan_iter(count=1000):
        yield key
        yield repr(read[redis.type(key)](key)).encode()


def test_secrets_of_a_node_of_its_items_and_of_its_results(watched: None) -> None:
    items = [{"n": n, "secret": SecretStr(f"{WORD} {n}")} for n in range(3)]
    result = Calls(SecretStr(WORD), on_error="collect").map(items)
    assert result[0] == {"secret": SecretStr(f"{WORD} 0"), "length": len(WORD)}
    assert result.items[2].output["secret"].get_secret_value() == f"{WORD} 2"
    assert "**********" in str(result.errors[1])
    assert WORD not in f"{result} {result.items} {result.errors}"


def test_secrets_of_a_store_that_batch_flows_read_and_write(watched: None) -> None:
    shared = flowq.SharedStore({"token": flowq.Secret(WORD), "other": SecretStr(WORD)})
    UseTokens(start=UsesToken()).run(shared)
    assert [shared[f"length {n}"] for n in range(3)] == [len(WORD)] * 3
    assert shared.get_secret("made 2") == f"{WORD} 2"
    assert WORD not in repr(shared)


def test_without_a_key_a_secret_is_refused_at_submit(cluster: LocalCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "keyring", Keyring())
    with pytest.raises(flowq.CannotTravel, match="FLOWQ_SECRET_KEY"):
        Calls(SecretStr(WORD)).map([{"n": 0, "secret": None}])
    with pytest.raises(flowq.EncodeError, match=r'item 0 at \["secret"\].*FLOWQ_SECRET_KEY'):
        Echo().map([{"secret": SecretStr(WORD)}])
    with pytest.raises(flowq.EncodeError, match=r"shared\['token'\].*FLOWQ_SECRET_KEY"):
        UseTokens(start=UsesToken()).run({"token": SecretStr(WORD)})
