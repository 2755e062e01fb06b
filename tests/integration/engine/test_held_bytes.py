"""How much of a batch a slot and a reader hold at once: counted in bytes that are not compressed."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

import flowq
from flowq.batch.running.sizing import CHUNK_BYTES
from flowq.client.executor import CeleryExecutor
from flowq.codec import unsealed_bytes
from flowq.engine.keys import Keys
from flowq.engine.reading.results import FIRST_BLOBS, READ_BYTES, read_blobs
from flowq.engine.running import weight
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.engine.stored import pages
from flowq.engine.stored.pages import PAGE_BYTES, SHRINKS, PageReader, encode_page
from flowq.local import EmbeddedRedis
from flowq.worker.boards import Boards
from tests.integration.engine.conftest import executor
from tests.nodes import AsyncEcho, Echo, Widened

N = 3000
ITEM = "x" * 10_240  # a thousandth of it once it is compressed
PAGE_MOST = SHRINKS * PAGE_BYTES


def commits(producer: CeleryExecutor, batch_id: str) -> dict[str, int]:
    """The bytes that each commit of a batch takes once it is read."""
    out = producer.connections.redis.hgetall(producer.connections.keys.of(batch_id, "out"))
    return {field.decode(): unsealed_bytes(blob) for field, blob in out.items()}


@pytest.mark.parametrize("node", [Echo, AsyncEcho])
def test_a_long_range_is_read_and_committed_some_bytes_at_a_time(
    producer: CeleryExecutor, slot: Slot, monkeypatch: pytest.MonkeyPatch, node: type[Echo]
) -> None:
    taken: list[int] = []
    read = PageReader.read

    def counted(self: PageReader, batch_id: str, start: int, stop: int, firsts: list[int]) -> list[str]:
        items: list[str] = read(self, batch_id, start, stop, firsts)
        taken.append(sum(map(len, items)))
        return items

    monkeypatch.setattr(PageReader, "read", counted)
    handle = producer.submit(node(chunk_size=N).job([ITEM] * N))
    run_chunk(slot, handle.id, f"0:0-{N}")
    assert handle.result(timeout=10) == [ITEM] * N
    assert sum(taken) == N * len(ITEM)
    assert max(taken) <= pages.READ_BYTES + PAGE_MOST
    if node is Echo:
        assert max(commits(producer, handle.id).values()) <= pages.READ_BYTES + PAGE_MOST + 100


def test_the_chunks_that_follow_large_values_are_of_fewer_items(producer: CeleryExecutor, slot: Slot) -> None:
    handle = producer.submit(Widened().job(range(60)))  # small items, 2 MB of values each
    run_chunk(slot, handle.id, "0:0-1")
    assert handle.state().sizes.size == CHUNK_BYTES // 2_000_000
    assert slot.sizes.get(handle.header.spec) == handle.state().sizes


def test_values_in_a_sink_count_as_those_in_redis(redis_server: EmbeddedRedis, redis: Redis, tmp_path: Path) -> None:
    item = "x" * 1_000_000
    producer = executor(flowq.Settings(broker_url=redis_server.url, sinks=(str(tmp_path),)))
    slot = Slot(producer.connections, "one", Boards().own(0))
    handle = producer.submit(Echo(sink=str(tmp_path)).job([item] * 10))
    run_chunk(slot, handle.id, "0:0-1")
    assert handle.state().sizes.size == CHUNK_BYTES // len(item)
    slot.close()
    producer.connections.close()


def test_a_run_is_committed_before_its_values_are_too_much(
    producer: CeleryExecutor, slot: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight, "MOST_BYTES", 1_000_000)
    handle = producer.submit(Widened(chunk_size=10).job(range(10)))
    run_chunk(slot, handle.id, "0:0-10")
    assert handle.result(timeout=10) == [bytes([number]) * 2_000_000 for number in range(10)]
    assert len(commits(producer, handle.id)) == 10


def test_decoded_pages_are_kept_by_their_bytes(redis: Redis) -> None:
    keys = Keys("test")
    n = PAGE_MOST // len(ITEM)
    firsts = list(range(0, 20 * n, n))
    redis.hset(keys.of("batch", "pages"), mapping={str(first): encode_page([ITEM] * n, first) for first in firsts})
    reader = PageReader(redis, keys)
    at = 0
    while at < 20 * n:
        items = reader.read("batch", at, 20 * n, firsts)
        at += len(items)
        held = sum(page.size_bytes for page in reader._cache.values())
        assert held <= pages.CACHED_BYTES


def test_blobs_that_do_not_compress_are_read_by_their_bytes(producer: CeleryExecutor) -> None:
    asked: list[int] = []
    redis, keys = producer.connections.redis, producer.connections.keys
    redis.hset(keys.of("batch", "out"), mapping={str(number): bytes(READ_BYTES // 2) for number in range(20)})
    hmget = redis.hmget

    def counted(key: str, fields: list[str]) -> list[bytes | None]:
        asked.append(len(fields))
        answer: list[bytes | None] = hmget(key, fields)
        return answer

    redis.hmget = counted  # type: ignore[method-assign]
    assert len(list(read_blobs(producer.connections, "batch", [str(number) for number in range(20)]))) == 20
    assert asked == [FIRST_BLOBS, 2, 2, 2, 2, 2, 2]
