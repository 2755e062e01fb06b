"""A batch is redriven while a process runs items of it side by side: those began in vain, and hurt nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from tests.nodes import AsyncBegan
from tests.waiting import until

SLOW_S = 1.5


@pytest.fixture
def beside() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as pool:
        yield pool


def has_ended(producer: CeleryExecutor, slot: Slot, handle: BatchHandle[float]) -> bool:
    """Whether the batch has, once what is open was run as by its messages."""
    for chunk in producer.connections.redis.hkeys(producer.connections.keys.of(handle.id, "open")):
        run_chunk(slot, handle.id, chunk.decode())
    return handle.state().closed


def test_what_began_before_a_redrive_is_no_outcome_after_it(
    producer: CeleryExecutor, slot: Slot, beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    path = tmp_path / "began"
    node = AsyncBegan(str(path), slow_s=SLOW_S, in_flight=8, chunk_size=1, on_error="collect")
    # More slow ones than have messages after a redrive: the process comes upon the others by itself.
    handle: BatchHandle[float] = producer.submit(node.job([1] * 6 + [0] * 60))
    running: Future[str] = beside.submit(run_chunk, slot, handle.id, "0:0-1")
    until(lambda: handle.progress().done > 2, 10, "the others pass the slow ones")
    redriven_at = time.time()
    handle.cancel()
    handle.retry_failed()
    said = running.result(timeout=30)
    assert "broke off" not in said
    until(lambda: has_ended(producer, slot, handle), 20, "the rest is run")
    state = handle.state()
    assert (state.state, state.gen, state.ok, state.crashes, state.losses) == ("succeeded", 1, 66, 0, 0)
    assert min(handle.result()[:6]) > redriven_at


def test_what_runs_in_vain_is_cancelled_once_a_commit_is_refused(
    producer: CeleryExecutor, slot: Slot, beside: ThreadPoolExecutor, tmp_path: Path
) -> None:
    path = tmp_path / "began"
    node = AsyncBegan(str(path), slow_s=20.0, in_flight=3, chunk_size=401, on_error="collect")
    handle: BatchHandle[float] = producer.submit(node.job([1, *[0] * 400]))
    running: Future[str] = beside.submit(run_chunk, slot, handle.id, "0:0-401")
    until(lambda: path.exists() and len(path.read_text().splitlines()) > 5, 10, "the others pass the slow one")
    handle.cancel()
    handle.retry_failed()
    began = time.monotonic()
    running.result(timeout=30)
    assert time.monotonic() - began < 10
    handle.cancel()
