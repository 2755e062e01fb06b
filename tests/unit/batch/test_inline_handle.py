"""What a handle does to a batch that runs in this process: as on workers, see tests/integration/test_redrive.py."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

from flowq.batch import Breaker, ParallelBatchNode
from flowq.batch.executor import Handle
from flowq.batch.inline.handle import InlineHandle
from flowq.client import BatchHandle
from flowq.errors import CircuitOpen
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


# What the handle of a batch on workers says of Redis and of who works for it: here there is neither.
OF_THE_FLEET = {"commits", "ended_well", "header", "held", "is_fed_here", "modules", "queue", "reading_ahead", "state"}
# What the executor does with its handle.
OF_THE_EXECUTOR = {"start"}


def offered(handle: type[Any]) -> set[str]:
    return {name for name in dir(handle) if not name.startswith("_")}


def test_it_offers_what_the_handle_of_a_batch_on_workers_does() -> None:
    assert offered(BatchHandle) - offered(InlineHandle) == OF_THE_FLEET
    assert offered(InlineHandle) - offered(BatchHandle) == OF_THE_EXECUTOR
    assert offered(Handle) == offered(BatchHandle) - OF_THE_FLEET


@pytest.mark.parametrize("name", sorted(offered(BatchHandle) - OF_THE_FLEET))
def test_a_method_takes_the_same_arguments_here_on_workers_and_in_the_port(name: str) -> None:
    def arguments(of: type[Any]) -> list[tuple[str, Any, Any]] | None:
        method = getattr(of, name)
        if isinstance(method, property):
            return None
        return [(one.name, one.kind, one.default) for one in inspect.signature(method).parameters.values()]

    assert arguments(InlineHandle) == arguments(BatchHandle) == arguments(Handle)


@KINDS
def test_what_is_known_of_a_batch_is_there_before_it_has_ended(kind: type[Blocking], options: dict[str, Any]) -> None:
    world = World()
    handle: Handle[Any] = kind(world, on_error="collect", **options).submit(range(60))
    until(lambda: next(handle.failures(), None), 10, "an item has failed")
    handle.pause()
    assert not handle.wait(0.2)  # what ran ends
    known = list(handle.outcomes())
    assert [one.index for one in known] == list(range(60))
    ended = [one for one in known if one.status != "cancelled"]
    assert len(ended) == handle.progress().done < 60
    assert all(one.output == one.index * 3 for one in ended if one.success)
    assert str(next(one for one in known if one.status == "cancelled").error) == "it has no outcome yet"
    assert [one.index for one in handle.failures()] == [one.index for one in ended if one.status == "failed"]
    world.may_go.set()
    handle.resume()
    handle.result(timeout=20)
    assert [one.index for one in handle.failures()] == [3, 13, 23, 33, 43, 53]
    assert {one.status for one in handle.outcomes()} == {"ok", "failed"}


def test_only_what_failed_again_is_among_the_failures_of_a_redriven_batch() -> None:
    world = World()
    world.may_go.set()
    handle: Handle[Any] = Blocking(world, on_error="collect").submit(range(20))
    assert handle.wait(10)
    assert [one.index for one in handle.failures()] == [3, 13]
    world.may_go.clear()
    handle.retry_failed()
    assert len(list(handle.failures())) < 2
    assert handle.wait(10)
    assert [one.index for one in handle.failures()] == [3, 13]
    world.mended = True
    assert handle.retry_failed().wait(10)
    assert list(handle.failures()) == []
    assert [one.output for one in handle.outcomes()] == [x * 3 for x in range(20)]


@KINDS
@pytest.mark.parametrize("read", ["as_completed", "results"])
def test_what_was_freed_as_it_was_read_is_not_run_again(
    kind: type[Blocking], options: dict[str, Any], read: str
) -> None:
    world = World()
    world.may_go.set()
    handle: Handle[Any] = kind(world, on_error="collect", **options).submit(range(100))
    assert len(list(getattr(handle, read)(free=True))) == 100
    world.mended = True
    assert handle.retry_failed().wait(10)
    assert sorted(world.begun[100:]) == list(range(3, 100, 10))
    assert sorted(one.index for one in handle.as_completed(free=True)) == list(range(3, 100, 10))
    now = handle.progress()
    assert (now.state, now.done, now.ok, now.failed) == ("succeeded", 100, 100, 0)


@KINDS
def test_a_batch_of_which_no_item_has_to_begin_ends_though_it_is_paused(
    kind: type[Blocking], options: dict[str, Any]
) -> None:
    world = World()
    handle: Handle[Any] = kind(world, **options).submit(range(2))
    until(lambda: world.begun == [0, 1], 10, "both have begun")
    handle.pause()
    assert handle.wait(10)
    handle.cancel()
    assert (handle.progress().state, handle.result().reason) == ("succeeded", "")


def test_a_handle_tells_of_what_its_result_has_run_again() -> None:
    world = World()
    world.may_go.set()
    handle: Handle[Any] = Blocking(world, on_error="collect").submit(range(20))
    first = handle.result()
    world.mended = True
    again = first.retry_failed()
    assert list(again) == list(handle.result()) == [x * 3 for x in range(20)]
    assert (handle.progress().ok, list(handle.failures()), len(first.failed)) == (20, [], 2)
    assert first.retry_failed() == again
    assert len(world.begun) == 22


def test_a_redrive_finds_the_breaker_as_the_batch_has_left_it() -> None:
    world = World()
    world.may_go.set()
    breaker = Breaker(failures=1, reset=60.0, fail_fast=True)
    handle: Handle[Any] = Blocking(world, on_error="collect", breaker=breaker).submit([3])
    assert handle.wait(10)
    assert [type(one) for one in handle.retry_failed().result().errors.values()] == [CircuitOpen]
    assert world.begun == [3]


def test_of_a_batch_that_has_ended_nothing_runs() -> None:
    world = World()
    handle: Handle[Any] = Async(world, concurrency=3).submit(range(100))
    until(lambda: world.begun, 10, "it has begun")
    handle.cancel()
    assert handle.wait(10)
    assert handle.progress().running == 0


def test_a_result_that_is_not_there_in_time_is_a_timeout() -> None:
    world = World()
    handle: Handle[Any] = Blocking(world, label="slow", name="Blocks").submit(range(10))
    handle.pause()
    with pytest.raises(TimeoutError, match=rf"batch {handle.id} has not ended within 0.05 s"):
        handle.result(timeout=0.05)
    assert (handle.label, handle.node) == ("slow", "Blocks")
    handle.cancel()


@KINDS
def test_the_acts_and_the_figures_are_those_of_the_redrive_that_runs(
    kind: type[Blocking], options: dict[str, Any]
) -> None:
    world = World()
    world.may_go.set()
    handle: Handle[Any] = kind(world, on_error="collect", **options).submit(range(100))
    assert handle.wait(10)
    assert (handle.progress().ok, handle.progress().failed) == (90, 10)
    world.may_go.clear()
    handle.retry_failed()
    handle.pause()
    paused = handle.progress()
    assert (paused.state, paused.total, paused.ok + paused.failed) == ("paused", 100, paused.done)
    assert paused.ok == 90
    assert not handle.wait(0.3)
    assert len(world.begun) <= 100 + 3
    handle.cancel()
    assert handle.wait(10)
    assert handle.progress().state == "cancelled"
    world.mended = True
    assert handle.retry_failed().result() == [x * 3 for x in range(100)]
    ended = handle.progress()
    assert (ended.state, ended.done, ended.ok, ended.failed, ended.total) == ("succeeded", 100, 100, 0, 100)
