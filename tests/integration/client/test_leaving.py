"""Who waits for a batch and is not waited for any more: the batch is cancelled, and nobody waits for its end."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.client import BatchHandle
from flowq.client.executor import CeleryExecutor
from flowq.client.leaving import Leaving
from tests import nodes
from tests.patient import WaitsInside, noted
from tests.waiting import until


class WhenItRuns(flowq.Node):
    """Ends, or fails, as soon as an item of the branch beside it has begun."""

    def __init__(self, path: str, fails: bool = False) -> None:
        super().__init__()
        self.path, self.fails = path, fails

    def exec(self, prep_res: Any) -> None:
        until(lambda: noted(self.path, "begins"), 10, "an item runs")
        if self.fails:
            raise nodes.Refused(0)

    def post(self, shared: Any, prep_res: Any, exec_res: Any) -> str:
        return "quick"


class MapsInside(flowq.Node):
    """Waits in its own ``exec`` for a batch."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def exec(self, prep_res: Any) -> None:
        WaitsInside(self.path).map([0, 1])


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


LOSERS: list[Callable[[str], flowq.Node[Any, Any]]] = [
    WaitsInside,
    MapsInside,
    lambda path: flowq.Flow(WaitsInside(path)),
    lambda path: flowq.RaceNode(flowq.Parallel(WaitsInside(path))),
]


@pytest.mark.parametrize("loser", LOSERS, ids=["a batch node", "a map", "a flow", "a race of its own"])
def test_the_batch_of_a_blocking_branch_that_has_lost_the_race_is_cancelled(
    cluster: flowq.LocalCluster, tmp_path: Path, loser: Callable[[str], flowq.Node[Any, Any]]
) -> None:
    path = str(tmp_path / "notes")
    assert flowq.RaceNode(WhenItRuns(path), loser(path)).run({}) == "quick"
    until(lambda: latest(cluster).state().state == "cancelled", 5, "the end of the batch")
    until(lambda: noted(path, "told") == noted(path, "begins"), 5, "its items are told")


def test_a_branch_that_fails_does_not_wait_for_the_batches_of_the_others(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    began = time.monotonic()
    with pytest.raises(nodes.Refused):
        flowq.Parallel(WhenItRuns(path, fails=True), WaitsInside(path)).run({})
    assert time.monotonic() - began < 15, "the items wait for 20 s"
    assert latest(cluster).state().state == "cancelled"


def test_who_leaves_the_events_of_a_run_does_not_wait_for_its_batch(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    path = str(tmp_path / "notes")
    began = time.monotonic()
    for event in flowq.Flow(WaitsInside(path)).stream({}):
        if event.kind == "node_start":
            until(lambda: noted(path, "begins"), 10, "an item runs")
            break
    assert time.monotonic() - began < 15, "the items wait for 20 s"
    assert latest(cluster).state().state == "cancelled"
    assert not [thread for thread in threading.enumerate() if thread.name == "flowq-stream"]


class TimeIsUp(Exception):
    """Raised by a signal handler, as a soft time limit of Celery's and the timeout of a test are."""


def test_what_a_signal_handler_raises_out_of_a_blocking_call_cancels_its_batch(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    def time_is_up(*_: object) -> None:
        raise TimeIsUp

    def tell_me() -> None:
        until(lambda: noted(path, "begins"), 10, "an item runs")
        os.kill(os.getpid(), signal.SIGALRM)

    path = str(tmp_path / "notes")
    before = signal.signal(signal.SIGALRM, time_is_up)
    teller = threading.Thread(target=tell_me)
    teller.start()
    try:
        with pytest.raises(TimeIsUp):
            WaitsInside(path).map(range(20))
    finally:
        signal.signal(signal.SIGALRM, before)
        teller.join()
    assert latest(cluster).state().state == "cancelled"
    until(lambda: noted(path, "told") == noted(path, "begins"), 5, "its items are told")


def test_what_on_progress_raises_cancels_the_batch(cluster: flowq.LocalCluster) -> None:
    def complain(now: flowq.Progress) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        nodes.Slow(0.05, on_progress=complain).map(range(2000))
    assert latest(cluster).state().state == "cancelled"


async def test_a_stop_iteration_of_on_progress_reaches_who_awaits_the_batch(executor: str) -> None:
    def spin(now: flowq.Progress) -> None:
        next(iter(()))

    node = nodes.Slow(0.05, on_progress=spin)
    with pytest.raises(RuntimeError, match="raised StopIteration"):
        await asyncio.wait_for(node.map_async(range(20)), 20)


def test_that_redis_does_not_answer_is_said(caplog: pytest.LogCaptureFixture) -> None:
    class OutOfReach:
        id = "a batch"

        def cancel(self) -> None:
            raise OSError("connection refused")

    leaving = Leaving()
    leaving.leave()
    leaving.waits_for(OutOfReach())
    assert "a batch was not cancelled: Redis does not answer (connection refused)" in caplog.text
