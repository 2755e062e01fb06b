"""A pause reaches a process that runs items of a long range side by side: it begins no more of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from tests.nodes import AsyncBegan, Logged
from tests.waiting import until

N = 100


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


@pytest.mark.parametrize("in_threads", [False, True], ids=["async", "in threads"])
def test_a_paused_range_of_any_length_is_left_and_gone_on_with_later(
    producer: CeleryExecutor, slot: Slot, beside: ThreadPoolExecutor, tmp_path: Path, in_threads: bool
) -> None:
    path = tmp_path / "began"
    options: dict[str, Any] = {"in_flight": 2, "chunk_size": N}
    node: Any = Logged(str(path), 0.05, **options) if in_threads else AsyncBegan(str(path), 0.05, **options)

    def begun() -> int:
        return len(path.read_text().splitlines()) if path.exists() else 0

    handle: BatchHandle[Any] = producer.submit(node.job([0] * N))
    running: Future[str] = beside.submit(run_chunk, slot, handle.id, f"0:0-{N}")
    until(lambda: begun() > 5, 10, "some run")
    handle.pause()
    running.result(timeout=5)
    state = handle.state()
    assert (state.state, state.crashes, state.losses) == ("paused", 0, 0)
    assert begun() == state.done < N / 2
    assert not handle.held()
    handle.resume()
    (chunk,) = producer.connections.redis.hkeys(producer.connections.keys.of(handle.id, "open"))
    run_chunk(slot, handle.id, chunk.decode())
    assert len(handle.result(timeout=10)) == begun() == N
