"""What a handle does to a batch that runs in this process: as on workers, see tests/integration/test_redrive.py."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from flowq.batch import ParallelBatchNode
from flowq.batch.executor import Handle
from tests.waiting import until

pytestmark = pytest.mark.usefixtures("inline")


class World:
    """What the items share with their test."""

    def __init__(self) -> None:
        self.mended = False
        self.may_go = threading.Event()
        self.begun: list[int] = []

    def judged(self, x: int) -> int:
        if x % 10 == 3 and not self.mended:
            raise ValueError(x)
        return x * 3


class Blocking(ParallelBatchNode[int, int]):
    def __init__(self, world: World, **options: Any) -> None:
        super().__init__(**options)
        self.world = world

    def exec(self, x: int) -> int:
        self.world.begun.append(x)
        self.world.may_go.wait(0.02)
        return self.world.judged(x)


class Async(Blocking):
    async def exec(self, x: int) -> int:  # type: ignore[override]
        self.world.begun.append(x)
        await asyncio.sleep(0 if self.world.may_go.is_set() else 0.02)
        return self.world.judged(x)


KINDS = pytest.mark.parametrize(
    ("kind", "options"),
    [(Blocking, {}), (Blocking, {"concurrency": 3}), (Async, {"concurrency": 3})],
    ids=["one by one", "in threads", "async"],
)


@KINDS
def test_retry_failed_runs_exactly_what_failed(kind: type[Blocking], options: dict[str, Any]) -> None:
    world = World()
    world.may_go.set()
    handle: Handle[Any] = kind(world, on_error="collect", **options).submit(range(100))
    assert len(handle.result().failed) == 10
    world.mended = True
    again = handle.retry_failed()
    assert again.result() == [x * 3 for x in range(100)]
    assert len(world.begun) == 110
    assert list(again.results()) == [x * 3 for x in range(100)]
    assert sorted(one.output for one in again.as_completed()) == [x * 3 for x in range(100)]
    assert again.progress().state == "succeeded"
    assert again.retry_failed().result() == [x * 3 for x in range(100)]
    assert len(world.begun) == 110


@KINDS
def test_a_paused_batch_begins_nothing_and_goes_on(kind: type[Blocking], options: dict[str, Any]) -> None:
    world = World()
    world.mended = True
    handle: Handle[Any] = kind(world, **options).submit(range(60))
    until(lambda: len(world.begun) > 6, 10, "some have begun")
    handle.pause()
    handle.pause()
    assert handle.progress().state == "paused"
    assert not handle.wait(0.2)  # what ran ends
    stands = len(world.begun)
    assert not handle.wait(0.2)
    assert len(world.begun) == stands == handle.progress().done < 60
    world.may_go.set()
    handle.resume()
    handle.resume()
    assert handle.result() == [x * 3 for x in range(60)]
    assert sorted(world.begun) == list(range(60))


@KINDS
def test_a_paused_batch_can_be_cancelled(kind: type[Blocking], options: dict[str, Any]) -> None:
    world = World()
    handle: Handle[Any] = kind(world, on_error="collect", **options).submit(range(60))
    handle.pause()
    handle.cancel()
    assert handle.wait(10)
    assert handle.result().cancelled
    assert handle.progress().state == "cancelled"
