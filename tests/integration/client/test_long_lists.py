"""A list that takes its time to be written: who waits for the batch sees to it meanwhile, in a thread of its own."""

from __future__ import annotations

import random
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.executor import activated
from flowq.client import executor as executor_module
from flowq.client.executor import CeleryExecutor
from flowq.engine.connection import Connections
from flowq.engine.feeding.feed import UNREAD_BYTES
from flowq.engine.reading.results import read_state
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.proxy import Proxy
from tests.waiting import until

ITEM_BYTES = 256 * 1024


@pytest.fixture(scope="module")
def long_list() -> list[bytes]:
    """Half as much again as may lie in Redis unread."""
    chance = random.Random(7)
    return [chance.randbytes(ITEM_BYTES) for _ in range(UNREAD_BYTES * 3 // 2 // ITEM_BYTES)]


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that waits leaves the rest to another one after the first step."""
    monkeypatch.setattr(executor_module, "HERE_S", 1e-9)


def writers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "flowq-submit"]


def test_progress_is_told_while_items_wait_to_be_written(
    cluster: flowq.LocalCluster, tmp_path: Path, long_list: list[bytes]
) -> None:
    """None of them ends before it was told, so that no more of them can be written either."""
    gate, told = tmp_path / "gate", list[flowq.Progress]()

    def tell(now: flowq.Progress) -> None:
        told.append(now)
        gate.touch()

    assert nodes.Gated(str(gate), on_progress=tell).map(long_list) == [ITEM_BYTES] * len(long_list)
    first = told[0]
    assert (first.total, first.done, first.eta_s, first.state) == (len(long_list), 0, None, "running")
    assert (told[-1].total, told[-1].done, told[-1].state) == (len(long_list), len(long_list), "succeeded")
    assert writers() == []


def test_results_are_those_of_the_items_whoever_has_written_them(cluster: flowq.LocalCluster, soon: None) -> None:
    for n in (1, 10, 20_000, 200_000):
        assert nodes.Echo().map(list(range(n))) == list(range(n))


def test_of_a_limit_nothing_more_is_written(cluster: flowq.LocalCluster, soon: None) -> None:
    assert nodes.Echo(limit=150_000).map(range(300_000)) == list(range(150_000))


def test_an_item_far_down_the_list_that_cannot_travel_ends_the_batch(cluster: flowq.LocalCluster, soon: None) -> None:
    items: list[Any] = [*range(150_000), threading.Lock(), *range(10)]
    with pytest.raises(flowq.EncodeError, match="150000"):
        nodes.Echo().map(items)
    assert latest(cluster).state().state == "cancelled"


def test_ctrl_c_ends_the_writing_as_well(cluster: flowq.LocalCluster, tmp_path: Path, long_list: list[bytes]) -> None:
    def interrupt(now: flowq.Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        nodes.Gated(str(tmp_path / "never"), on_progress=interrupt).map(long_list)
    state = latest(cluster).state()
    assert state.state == "cancelled"
    assert state.avail < len(long_list)
    until(lambda: not writers(), 20, "the end of the writing")
    assert latest(cluster).state().avail == state.avail, "nothing was written any more"
    (tmp_path / "never").touch()  # the items that run look for it


def test_a_submitted_list_is_all_written_when_its_handle_comes_back(cluster: flowq.LocalCluster, soon: None) -> None:
    """Its producer may end then."""
    handle = nodes.Echo().submit(list(range(150_000)))
    assert handle.state().sealed
    assert not handle.is_fed_here
    assert handle.result() == list(range(150_000))


class FromAThread(Sequence[int]):
    """Numbers that only the thread may read that made them, and slowly."""

    def __init__(self, n: int) -> None:
        self._numbers, self._thread = range(n), threading.current_thread()

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, where: Any) -> Any:
        assert threading.current_thread() is self._thread
        return self._numbers[where]


def test_a_sequence_of_the_callers_own_kind_is_read_by_the_caller(cluster: flowq.LocalCluster, soon: None) -> None:
    assert nodes.Echo().map(FromAThread(100_000)) == list(range(100_000))


class FromFiles(Sequence[str]):
    """Paths, one of which is not there when it is looked up."""

    def __len__(self) -> int:
        return 5_000

    def __getitem__(self, where: Any) -> Any:
        if where.stop > 3_000:
            raise FileNotFoundError("no such file: 3000.txt")
        return [f"{number}.txt" for number in range(5_000)[where]]


@pytest.mark.parametrize("act", ["map", "submit"])
def test_an_error_of_the_system_that_a_sequence_raises_is_not_taken_for_redis(
    cluster: flowq.LocalCluster, act: str
) -> None:
    with pytest.raises(FileNotFoundError, match=r"3000\.txt"):
        getattr(nodes.Echo(), act)(FromFiles())


def test_an_error_while_progress_is_told_ends_the_writing_and_the_batch(
    cluster: flowq.LocalCluster, tmp_path: Path, long_list: list[bytes]
) -> None:
    def fail(now: flowq.Progress) -> None:
        raise LookupError("nobody to tell")

    gate = tmp_path / "gate"
    with pytest.raises(LookupError, match="nobody to tell"):
        nodes.Gated(str(gate), on_progress=fail).map(long_list)
    handle = latest(cluster)
    until(lambda: handle.state().closed, 20, "the end of the batch")
    assert handle.state().state == "cancelled"
    until(lambda: not writers(), 20, "the end of the writing")
    gate.touch()


def test_ctrl_c_while_the_thread_begins_ends_the_batch(
    cluster: flowq.LocalCluster, soon: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        start(thread)
        if thread.name == "flowq-submit":
            raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "start", interrupted)
    before = set(latest_ids(cluster))
    with pytest.raises(KeyboardInterrupt):
        nodes.Echo().map(list(range(3_000_000)))
    (batch_id,) = set(latest_ids(cluster)) - before
    state = until(
        lambda: (now := read_state(connections(cluster), batch_id)).closed and now, 20, "the end of the batch"
    )
    assert (state.state, state.avail < 3_000_000) == ("cancelled", True)


def test_redis_away_for_a_moment_is_waited_for_while_progress_is_told(
    tmp_path: Path, long_list: list[bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    gate, told = tmp_path / "gate", list[flowq.Progress]()
    with EmbeddedRedis(port=0) as server, Proxy(int(server.redis_url.rpartition(":")[2].partition("/")[0])) as proxy:

        def tell(now: flowq.Progress) -> None:
            if not told:
                proxy.cut()
                threading.Timer(1.5, proxy.mend).start()
                gate.touch()
            told.append(now)

        settings = flowq.Settings(broker_url=proxy.url, progress="lines")
        with (
            flowq.LocalCluster(broker_url=server.redis_url, slots=2, imports=["tests.nodes"], grace_s=0),
            activated(CeleryExecutor(settings)),
        ):
            assert nodes.Gated(str(gate), on_progress=tell).map(long_list) == [ITEM_BYTES] * len(long_list)
    assert told[-1].state == "succeeded"
    assert "288/288" in capsys.readouterr().err.splitlines()[-1]


def latest_ids(cluster: flowq.LocalCluster) -> list[str]:
    found = connections(cluster)
    return [name.decode() for name in found.redis.zrange(found.keys.batches, 0, -1)]


def connections(cluster: flowq.LocalCluster) -> Connections:
    assert isinstance(cluster.executor, CeleryExecutor)
    return cluster.executor.connections


def latest(cluster: flowq.LocalCluster) -> Any:
    assert isinstance(cluster.executor, CeleryExecutor)
    return cluster.executor.latest()
