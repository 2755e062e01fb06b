"""Who waits for a batch in an event loop and is cancelled: so is the batch, and nobody waits for its end."""

from __future__ import annotations

import asyncio
import time

import pytest

import flowq
from flowq.client import BatchHandle
from flowq.client.executor import CeleryExecutor
from flowq.client.leaving import Leaving
from tests import nodes
from tests.waiting import until


def latest(cluster: flowq.LocalCluster) -> BatchHandle[int]:
    assert cluster.executor is not None
    handle = cluster.executor.latest()
    assert handle is not None
    return handle


@pytest.mark.parametrize("how", ["map_async", "a flow"])
def test_a_task_that_is_cancelled_cancels_the_batch_it_waits_for(cluster: flowq.LocalCluster, how: str) -> None:
    before = getattr(cluster.executor, "_latest", None)

    async def leave_early() -> None:
        node, items = nodes.SlowFromStore(0.05), range(2000)
        asked = node.map_async(items) if how == "map_async" else flowq.Flow(node).run_async({"items": items})
        waiting = asyncio.ensure_future(asked)
        await asyncio.to_thread(until, lambda: getattr(cluster.executor, "_latest", None) is not before, 10, "it runs")
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    began = time.monotonic()
    asyncio.run(leave_early())  # which waits for its threads
    assert time.monotonic() - began < 20, "the batch takes 50 s"
    until(lambda: latest(cluster).state().state == "cancelled", 10, "the end of the batch")


def test_a_caller_who_leaves_before_the_batch_has_begun_cancels_it_all_the_same(
    cluster: flowq.LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = CeleryExecutor._start

    async def leave_at_once() -> None:
        waiting = asyncio.ensure_future(nodes.Slow(0.05).map_async(range(2000)))

        def start_late(*args: object, **kwargs: object) -> BatchHandle[int]:
            handle: BatchHandle[int] = started(*args, **kwargs)  # type: ignore[arg-type]
            loop.call_soon_threadsafe(waiting.cancel)
            until(waiting.done, 10, "the caller has left")
            return handle

        monkeypatch.setattr(CeleryExecutor, "_start", start_late)
        loop = asyncio.get_running_loop()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(leave_at_once())
    until(lambda: latest(cluster).state().state == "cancelled", 10, "the end of the batch")


def test_that_redis_does_not_answer_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class OutOfReach:
        id = "a batch"

        def cancel(self) -> None:
            raise OSError("connection refused")

    leaving = Leaving()
    leaving.leave()
    leaving.waits_for(OutOfReach())
    assert "a batch was not cancelled: Redis does not answer (connection refused)" in caplog.text
