"""Reading a batch as it runs, in any order and in item order: the same inline and on workers, with flat memory."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from redis import Redis

import flowq
from flowq.batch.executor import active
from tests import nodes
from tests.features import functions
from tests.submitting import submit
from tests.waiting import until


@pytest.fixture
def wire(cluster: flowq.LocalCluster) -> Iterator[Redis]:
    client = Redis.from_url(cluster.redis.redis_url)
    yield client
    client.close()


def kept(wire: Redis, batch_id: str, part: str) -> int:
    """How many entries a key of the batch has."""
    return sum(wire.hlen(key) for key in wire.scan_iter(f"*{{{batch_id}}}:{part}"))


@pytest.mark.parametrize("node", [nodes.Square, nodes.AsyncSquare])
def test_values_are_read_in_item_order_and_outcomes_as_they_come(executor: str, node: Callable[[], Any]) -> None:
    handle = node().submit(i for i in range(3000))
    assert list(handle.results()) == [i * i for i in range(3000)]
    outcomes = list(handle.as_completed())
    assert sorted((one.index, one.output) for one in outcomes) == [(i, i * i) for i in range(3000)]
    assert handle.result() == [i * i for i in range(3000)]


async def test_an_event_loop_reads_them_too(executor: str) -> None:
    handle = nodes.Square().submit(range(500))
    assert [value async for value in handle.results()] == [i * i for i in range(500)]
    async with handle.as_completed() as outcomes:
        assert sorted([one.index async for one in outcomes]) == list(range(500))


def test_the_first_results_are_there_while_the_generator_still_runs(executor: str) -> None:
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        yield 2
        assert goes_on.wait(20)
        yield 3

    results = nodes.Square().submit(items()).results()
    # Inline, a generator that blocks keeps what it has given, but for the first item.
    first = [next(results) for _ in range(1 if executor == "inline" else 2)]
    assert not goes_on.is_set()
    goes_on.set()
    assert first + list(results) == [1, 4, 9]


@pytest.mark.parametrize("on_error", ["collect", "skip"])
def test_items_without_a_value_read_as_they_do_in_the_result(executor: str, on_error: Any) -> None:
    handle = nodes.Picky(on_error=on_error).submit(range(60))
    assert list(handle.results()) == handle.result()


def test_reading_stops_at_the_first_item_without_a_value_where_failures_are_raised(executor: str) -> None:
    handle = nodes.Picky().submit(range(60))
    seen: list[Any] = []
    with pytest.raises(flowq.BatchError) as reading:
        deque(map(seen.append, handle.results()))
    with pytest.raises(flowq.BatchError) as raised:
        handle.result()
    assert str(reading.value) == str(raised.value)
    assert seen == list(raised.value.results)[: len(seen)]
    assert len(seen) <= min(raised.value.errors)


def test_an_item_that_waits_for_its_next_try_keeps_its_place(executor: str) -> None:
    handle = nodes.FailsTwice(max_retries=3, wait=1.1 if executor == "workers" else 0.1).submit(range(12))
    at_once = [one.index for one in handle.as_completed()]
    assert sorted(at_once) == list(range(12))
    assert list(handle.results()) == list(handle.result())


def test_what_was_read_can_be_freed(executor: str) -> None:
    handle = nodes.Square(chunk_size=10).submit(i for i in range(2000))
    assert list(handle.results(free=True)) == [i * i for i in range(2000)]
    with pytest.raises(flowq.ResultsFreed, match="free=True"):
        handle.result()
    with pytest.raises(flowq.ResultsFreed):
        next(handle.as_completed())
    assert list(handle.results(free=True)) == [], "nobody reads it twice"


def test_a_batch_that_is_read_and_freed_raises_what_it_raises(executor: str) -> None:
    with pytest.raises(flowq.BatchError, match=r"^Picky: .*failed") as raised:
        deque(nodes.Picky(max_failures=2).submit(range(60)).results(free=True))
    assert raised.value.errors


@pytest.mark.parametrize("read", ["as_completed", "results"])
def test_who_has_begun_to_read_what_another_reader_frees_is_told(executor: str, read: str) -> None:
    handle = nodes.AsyncSquare(concurrency=2, chunk_size=10).submit(range(3000))
    assert handle.wait(30)
    reader = getattr(handle, read)()
    next(reader)
    deque(handle.results(free=True))
    with pytest.raises(flowq.ResultsFreed):
        deque(reader)


def test_freed_results_are_gone_from_redis_and_a_second_reader_goes_on(
    cluster: flowq.LocalCluster, wire: Redis
) -> None:
    handle = submit(nodes.Square(chunk_size=10), range(2000))
    assert handle.wait(30)
    assert kept(wire, handle.id, "out") == 200
    first = handle.results(free=True)
    read = [next(first) for _ in range(1500)]
    first.close()
    assert kept(wire, handle.id, "out") < 80
    rest = list(flowq.get_batch(handle.id).results(free=True))
    assert read[: 2000 - len(rest)] + rest == [i * i for i in range(2000)]
    assert 500 <= len(rest) < 800, "some are read twice, none is lost"
    assert kept(wire, handle.id, "out") == 0


def test_a_reader_in_another_process_s_place_sees_every_outcome_as_it_is_committed(
    cluster: flowq.LocalCluster,
) -> None:
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        yield from range(100)
        assert goes_on.wait(20)
        yield from range(100, 200)

    handle = submit(nodes.Square(), items())
    other = flowq.get_batch(handle.id).as_completed()
    early = [next(other) for _ in range(100)]
    assert {one.index for one in early} == set(range(100))
    goes_on.set()
    assert {one.index for one in other} == set(range(100, 200))


def test_what_the_source_raises_is_raised_to_who_reads(executor: str) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the source went away")

    handle = nodes.Square().submit(items())
    with pytest.raises(OSError, match="went away"):
        list(handle.as_completed())
    with pytest.raises(OSError, match="went away"):
        list(handle.results())
    with pytest.raises(OSError, match="went away"):
        handle.wait(10)


async def _breaks_async(n: int) -> AsyncIterator[int]:
    for number in range(n):
        await asyncio.sleep(0)
        yield number
    raise LookupError("the source broke")


def _breaks(n: int) -> Iterator[int]:
    yield from range(n)
    raise LookupError("the source broke")


@pytest.mark.parametrize("source", [_breaks, _breaks_async])
@pytest.mark.parametrize(
    "node",
    [nodes.Square, nodes.AsyncSquare, partial(nodes.AsyncSquare, concurrency=1), partial(nodes.Square, concurrency=2)],
)
def test_a_batch_whose_source_breaks_reads_as_cancelled(executor: str, node: Any, source: Any) -> None:
    handle = node().submit(source(100))
    with pytest.raises(LookupError, match="the source broke"):
        handle.wait(20)
    assert handle.progress().state == "cancelled"
    assert {one.status for one in handle.outcomes()} <= {"ok", "cancelled"}


def test_so_does_one_that_is_given_more_items_than_it_may_have(executor: str) -> None:
    handle = nodes.Square(max_items=50).submit(iter(range(100)))
    with pytest.raises(flowq.BatchInputError, match="max_items=50"):
        handle.wait(20)
    assert handle.progress().state == "cancelled"


def test_reading_ends_when_the_batch_is_cancelled(executor: str) -> None:
    handle = nodes.Sleepy(on_error="collect", chunk_size=1).submit([0.02] * 400)
    seen = 0
    for _ in handle.as_completed():
        seen += 1
        if seen == 5:
            handle.cancel()
    assert 5 <= seen < 400
    values = list(handle.results())
    assert values == handle.result()
    assert values[-1] is None


def test_pages_of_a_generator_are_dropped_but_for_those_of_items_that_failed(
    cluster: flowq.LocalCluster, wire: Redis
) -> None:
    n = 20_000
    handle = submit(nodes.Picky(on_error="collect"), (i * 3 if i < n - 10 else 7 for i in range(n)))
    at_hand = submit(nodes.Square(), range(2000))
    assert handle.wait(30)
    assert at_hand.wait(30)
    assert kept(wire, at_hand.id, "pages") > 0, "of a sequence they stay"
    failures = {one.index: one.input for one in handle.failures()}
    assert failures[n - 1] == 7, "the items of those that failed are there"

    clean = submit(nodes.Square(), (i for i in range(n)))
    assert clean.wait(30)
    until(lambda: kept(wire, clean.id, "pages") == 0, 5, "no page is left")
    assert clean.result() == [i * i for i in range(n)]


def told(outcomes: Iterable[flowq.Outcome]) -> list[tuple[Any, ...]]:
    return [(one.index, one.status, one.output, one.error_text, one.attempts, one.key, one.input) for one in outcomes]


@pytest.mark.parametrize("items", [list, iter])
def test_outcomes_and_failures_are_read_from_the_handle(executor: str, items: Callable[[Any], Any]) -> None:
    handle = nodes.Picky(on_error="collect", key=functions.tripled, label="picked").submit(items(range(60)))
    result = handle.result(timeout=20)
    plain = told(replace(one, input=None, key=None) for one in result.items)
    assert told(handle.outcomes()) == plain
    failures = list(handle.failures())
    assert [one.index for one in failures] == [one.index for one in result.failed] != []
    assert [(one.input, one.key) for one in failures] == [(one.index, one.index * 3) for one in failures]
    assert all("in exec" in one.traceback for one in failures)
    of_failed = {one.index: (one.input, one.key) for one in handle.outcomes(inputs=True) if one.status == "failed"}
    assert of_failed == {one.index: (one.input, one.key) for one in failures}
    assert (handle.label, handle.node) == ("picked", "Picky")


def test_that_items_contradict_each_other_is_said_by_the_result_alone(executor: str) -> None:
    handle = nodes.CountAll(start=nodes.Quarrel()).submit([{"n": n} for n in range(3)])
    assert handle.wait(20)
    assert [one.status for one in handle.outcomes()] == ["ok"] * 3
    with pytest.raises(flowq.MergeConflict):
        handle.result(timeout=20)
    assert handle.progress().state == "succeeded"


def test_outcomes_that_were_freed_are_not_read_again(executor: str) -> None:
    handle = nodes.Square(chunk_size=10).submit(i for i in range(2000))
    deque(handle.results(free=True))
    with pytest.raises(flowq.ResultsFreed):
        handle.outcomes()
    with pytest.raises(flowq.ResultsFreed):
        handle.failures()


def test_a_result_is_waited_for_no_longer_than_asked(executor: str) -> None:
    handle = nodes.Sleepy().submit([5.0])
    with pytest.raises(TimeoutError, match=rf"batch {handle.id} has not ended within 0.1 s"):
        handle.result(timeout=0.1)
    handle.cancel()
    assert [one.status for one in handle.outcomes()] == ["cancelled"]


def test_leaving_a_node_s_stream_early_cancels_the_rest(executor: str, tmp_path: Path) -> None:
    oracle = tmp_path / "oracle"
    node = nodes.Logged(str(oracle), seconds=0.01, chunk_size=1)
    for outcome in node.stream(range(1000)):
        assert outcome.output == outcome.index * 3
        if outcome.index >= 5:
            break
    until(lambda: is_over(executor), 10, "the batch has ended")
    assert len(nodes.executions(oracle)) < 500


async def test_so_does_leaving_it_by_a_cancel_scope_which_cancels_again_and_again(executor: str) -> None:
    async def read() -> None:
        async for _ in nodes.Sleepy(chunk_size=1).stream([0.01] * 1000):
            await asyncio.sleep(0)  # also where it is cancelled itself, and not in the reading

    for _ in range(3):
        with anyio.move_on_after(0.3) as scope:
            await read()
        assert scope.cancelled_caught
        await asyncio.to_thread(until, lambda: is_over(executor), 5, "the batch has ended")


def is_over(executor: str) -> bool:
    if executor == "inline":
        return not any(thread.name.startswith("flowq-batch") for thread in threading.enumerate())
    latest = active().latest()  # type: ignore[attr-defined]
    return bool(latest.progress().state == "cancelled")


def test_a_node_s_stream_that_is_read_to_its_end_gives_every_outcome(executor: str) -> None:
    assert sorted(one.index for one in nodes.Square().stream(range(50))) == list(range(50))
