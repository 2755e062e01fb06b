"""A batch that ended is taken up again: what failed and what was cut off, and nothing else. Pause, resume, cancel."""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.executor import active
from flowq.engine.connection import Connections
from flowq.engine.feeding.feed import Feeder
from flowq.engine.reading.results import read_state
from tests.crashing import Armed
from tests.mendable import (
    AsyncMendable,
    AsyncMendsInPost,
    Mendable,
    MendableFlow,
    MendableStep,
    MendsInPost,
    executed,
)
from tests.nodes import FailsTwice, Slow, Square
from tests.patient import Waits, noted
from tests.programs import Program
from tests.submitting import submit
from tests.waiting import until

N = 1000
FAILING = sorted(random.Random(37).sample(range(N), 37))
KINDS = pytest.mark.parametrize("kind", [Mendable, AsyncMendable], ids=["blocking", "async"])


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "executions")


@pytest.fixture
def mended(tmp_path: Path) -> Path:
    return tmp_path / "mended"


def again(path: str) -> dict[int, set[str]]:
    """The items that were executed more than once, and the keys that they had."""
    counts = Counter(index for index, _ in executed(path))
    return {index: {key for one, key in executed(path) if one == index} for index, n in counts.items() if n > 1}


@KINDS
@pytest.mark.parametrize("source", [list, iter], ids=["from a list", "from a generator"])
def test_a_redrive_executes_exactly_what_failed(
    cluster: flowq.LocalCluster, path: str, mended: Path, kind: type[Mendable], source: Any
) -> None:
    handle = submit(kind(path, str(mended), FAILING, on_error="collect"), source(range(N)))
    first = handle.result(timeout=30)
    assert sorted(first.errors) == FAILING
    mended.touch()
    result = handle.retry_failed().result(timeout=30)
    assert result == [i * 3 for i in range(N)]
    assert not result.failed
    assert len(executed(path)) == N + 37
    assert {index: len(keys) for index, keys in again(path).items()} == dict.fromkeys(FAILING, 1), "one key an item"
    state = handle.state()
    assert (state.state, state.gen, state.ok, state.failed) == ("succeeded", 1, N, 0)
    assert list(handle.results()) == result
    assert handle.retry_failed().result() == result, "nothing is left to be run"
    assert len(executed(path)) == N + 37


@pytest.mark.parametrize("driven_async", [False, True], ids=["sync", "async"])
def test_a_result_runs_again_what_failed(
    cluster: flowq.LocalCluster, path: str, mended: Path, driven_async: bool
) -> None:
    first = Mendable(path, str(mended), [3, 4, 50], on_error="collect").map(range(100))
    still = first.retry_failed()
    assert sorted(still.errors) == [3, 4, 50], "what fails again is not raised"
    mended.touch()
    result = asyncio.run(still.retry_failed_async()) if driven_async else still.retry_failed()
    assert result == [i * 3 for i in range(100)]
    assert len(executed(path)) == 100 + 3 + 3
    assert sorted(first.errors) == [3, 4, 50], "the first result is as it was"


def test_a_node_of_a_submitted_flow_runs_again_what_failed(executor: str, path: str, mended: Path) -> None:
    node = MendsInPost(path, str(mended), [3, 4, 50], on_error="collect")
    shared = flowq.Flow(node).submit({"count": 100}).result(timeout=30).shared
    assert (shared["still"], shared["again"]) == ([3, 4, 50], [i * 3 for i in range(100)])
    assert [i for i, value in enumerate(shared["first"]) if value is None] == [3, 4, 50], "the first is as it was"
    assert Counter(executed(path)) == {(i, key): 3 if i in (3, 4, 50) else 1 for i, key in {*executed(path)}}, (
        "an item keeps its key"
    )


def test_an_async_node_of_a_submitted_flow_runs_again_what_failed(executor: str, path: str, mended: Path) -> None:
    node = AsyncMendsInPost(path, str(mended), [0, 2], on_error="collect")
    assert flowq.Flow(node).submit({"count": 3}).result(timeout=30).shared["again"] == [0, 3, 6]


@KINDS
def test_what_the_first_failure_cut_off_is_run_as_well(
    cluster: flowq.LocalCluster, path: str, mended: Path, kind: type[Mendable]
) -> None:
    node = kind(path, str(mended), [7, 8], seconds=0.002)
    with pytest.raises(flowq.BatchError) as raised:
        node.map(range(300))
    assert raised.value.results.cancelled
    still = raised.value.results.retry_failed()
    assert (sorted(still.errors), len(still.cancelled)) == ([7, 8], 0), "two fail again, and the others are run"
    mended.touch()
    assert still.retry_failed() == [i * 3 for i in range(300)]
    assert {index for index, _ in executed(path)} == set(range(300))


class Numbers(Sequence[int]):
    """A sequence of the caller's own kind."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, where: Any) -> Any:
        return self._numbers[where]


@pytest.fixture
def fails_while_it_is_fed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Producers write a second piece only once their batch has ended for the first time."""

    def has_ended(feeder: Feeder) -> bool:
        state = read_state(feeder._connections, feeder._header.id)
        return state.closed or state.gen > 0

    def until_it_has_ended(feeder: Feeder, _: object) -> Iterator[None]:
        until(lambda: has_ended(feeder), 20, "the end of the batch")
        yield

    monkeypatch.setattr(Feeder, "_until_read", until_it_has_ended)


N_LONG = 12_000


@pytest.mark.parametrize("kind", [list, Numbers])
def test_what_was_not_even_written_is_run_as_well(
    cluster: flowq.LocalCluster, path: str, mended: Path, kind: Any, fails_while_it_is_fed: None
) -> None:
    with pytest.raises(flowq.BatchError) as raised:
        Mendable(path, str(mended), [7]).map(kind(range(N_LONG)))
    first = raised.value.results
    assert len(first.items) == N_LONG
    assert len({index for index, _ in executed(path)}) < N_LONG // 2
    mended.touch()
    again = first.retry_failed()
    assert again == [i * 3 for i in range(N_LONG)]
    assert {index for index, _ in executed(path)} == set(range(N_LONG))


def test_a_rest_that_cannot_be_written_ends_the_batch_once_more(
    cluster: flowq.LocalCluster, path: str, mended: Path, fails_while_it_is_fed: None
) -> None:
    items: list[Any] = [*range(60_000), lambda: None]  # too far down to be looked at before the batch has ended
    handle = submit(Mendable(path, str(mended), [7]), items)
    assert handle.wait(20)
    mended.touch()
    with pytest.raises(flowq.EncodeError, match="item 60000"):
        handle.retry_failed().wait(20)
    until(lambda: handle.state().closed, 10, "the end of the batch")
    assert handle.state().state == "cancelled", "it waits for nobody who would write the rest"


def test_who_has_not_the_items_that_were_not_written_says_so(
    cluster: flowq.LocalCluster, path: str, mended: Path, fails_while_it_is_fed: None, caplog: pytest.LogCaptureFixture
) -> None:
    mine = submit(Mendable(path, str(mended), [7]), list(range(N_LONG)))
    assert mine.wait(20)
    mended.touch()
    theirs = flowq.get_batch(mine.id).retry_failed()
    assert theirs.wait(20)
    written = theirs.state().avail
    assert f"{N_LONG - written} items were not written when batch {mine.id} ended" in caplog.text
    # Who has them makes up for it.
    assert mine.retry_failed().result(timeout=30) == [i * 3 for i in range(N_LONG)]


def test_a_handle_of_another_process_redrives_as_well(cluster: flowq.LocalCluster, path: str, mended: Path) -> None:
    mine = submit(Mendable(path, str(mended), [5], on_error="collect"), range(20))
    mine.wait()
    mended.touch()
    theirs = flowq.get_batch(mine.id)
    assert theirs.retry_failed().result(timeout=20) == [i * 3 for i in range(20)]
    assert mine.result() == [i * 3 for i in range(20)]


def test_the_changes_of_a_batch_flow_are_whole_after_a_redrive(
    cluster: flowq.LocalCluster, path: str, mended: Path
) -> None:
    flow = MendableFlow(start=MendableStep(path, str(mended), [2, 30]), on_error="collect")
    job = flow.job([{"n": n} for n in range(60)], shared={"found": []})
    handle: Any = active().submit(job)
    first = handle.result(timeout=30)
    assert first.delta["found"] == ("extend", [n for n in range(60) if n not in (2, 30)], 0)
    mended.touch()
    result = handle.retry_failed().result(timeout=30)
    assert result.delta["found"] == ("extend", list(range(60)), 0)
    assert set(again(path)) == {2, 30}
    state = until(lambda: handle.state() if handle.state().confirmed == 1 else None, 10, "it is aggregated again")
    assert (state.gen, state.ok) == (1, 60)


def test_what_a_cancel_cut_off_can_be_taken_up_again(cluster: flowq.LocalCluster, path: str, mended: Path) -> None:
    handle = submit(Mendable(path, str(mended), seconds=0.02, on_error="collect"), range(150))
    until(lambda: handle.progress().done > 10, 10, "some are done")
    handle.cancel()
    handle.cancel()
    first = handle.result()
    assert first.cancelled, "some are not"
    assert [first[one.index] for one in first.ok] == [one.index * 3 for one in first.ok], "finished ones stay readable"
    ok = {one.index for one in first.ok}
    assert handle.retry_failed().result(timeout=30) == [i * 3 for i in range(150)]
    assert not ok & set(again(path)), "what had an outcome is not run again"


def test_a_batch_whose_items_could_not_be_written_has_none_to_run_again(cluster: flowq.LocalCluster) -> None:
    def broken() -> Iterator[int]:
        yield from range(10)
        raise OSError("the source is gone")

    handle = submit(Slow(0.5), broken())
    with pytest.raises(OSError, match="the source is gone"):
        handle.result(timeout=20)
    with pytest.raises(ValueError, match="run it again from its source"):
        handle.retry_failed()


def test_cancel_drops_items_that_wait_for_their_next_try(cluster: flowq.LocalCluster) -> None:
    handle = submit(FailsTwice(max_retries=3, wait=1.5, on_error="collect"), range(30))
    until(lambda: handle.state().parked == 30, 10, "all wait")
    handle.cancel()
    connections = Connections(flowq.Settings(broker_url=cluster.broker_url))
    assert handle.state().parked == 0
    timers = connections.redis.zrange(connections.keys.of(handle.id, "wake"), 0, -1)
    assert set(timers) <= {b"agg"}
    assert {one.status for one in handle.result().items} == {"cancelled"}
    assert handle.retry_failed().result(timeout=30) == list(range(30)), "they begin from their first try"
    connections.close()


def test_pause_and_resume_keep_every_outcome(cluster: flowq.LocalCluster, path: str, mended: Path) -> None:
    handle = submit(Mendable(path, str(mended), seconds=0.01, on_error="collect"), range(300))
    until(lambda: handle.progress().done > 20, 10, "some are done")
    handle.pause()
    handle.pause()
    assert handle.state().state == "paused"
    until(lambda: not handle.held(), 10, "what ran has ended")
    stands = handle.progress().done, len(executed(path))
    assert stands[0] < 300
    assert not handle.wait(1.5)
    assert (handle.progress().done, len(executed(path))) == stands, "nothing has begun"
    handle.resume()
    handle.resume()
    assert handle.result(timeout=30) == [i * 3 for i in range(300)]
    assert len(executed(path)) == 300
    handle.pause()
    assert handle.state().state == "succeeded"


REDRIVER = """
    import sys, flowq
    from flowq.batch.executor import activate
    activate(flowq.connect(sys.argv[1]))
    flowq.get_batch(sys.argv[2]).retry_failed()
"""


def test_who_dies_between_a_redrive_and_its_messages_costs_a_lease(
    cluster: flowq.LocalCluster, path: str, mended: Path, tmp_path: Path
) -> None:
    handle = submit(Mendable(path, str(mended), [5, 6], on_error="collect"), range(20))
    handle.wait()
    mended.touch()
    armed = Armed(tmp_path / "armed")
    armed.arm("controlled", handle.id)
    program = Program(
        tmp_path / "p.py", REDRIVER, cluster.broker_url, handle.id, env={**armed.env, "FLOWQ_LEASE_S": "3"}
    )
    assert program.end()[0] == -signal.SIGKILL
    assert handle.state().gen == 1
    assert handle.result(timeout=20) == [i * 3 for i in range(20)]
    assert set(again(path)) == {5, 6}


def test_cancel_takes_effect_within_a_second_however_many_items_are_queued(
    cluster: flowq.LocalCluster, path: str
) -> None:
    n = 1_000_000
    handle = submit(Waits(path, on_error="collect"), range(n))
    until(lambda: noted(path, "begins") == 2, 30, "both slots are busy")
    began = time.monotonic()
    handle.cancel()
    assert handle.wait(1)
    closed_s = time.monotonic() - began
    until(lambda: noted(path, "told") == 2, 10, "what ran is told")
    print(f"\n{n:,} items: closed after {closed_s * 1000:.1f} ms, told after {time.monotonic() - began:.2f} s")
    assert closed_s < 1
    # The slots are somebody else's at once.
    assert Square().map(range(100)) == [i * i for i in range(100)]
    assert time.monotonic() - began < 6
    assert noted(path, "begins") == 2
    result = handle.result()
    assert len(result.cancelled) == len(result) == n
