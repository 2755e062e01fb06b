"""``ctx.idempotency_key``: one for each item, the same whatever becomes of its tries and of the workers they run on."""

from __future__ import annotations

import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowq
from flowq.local.local_worker import LocalWorker
from tests.keyed import AsyncSaysItsKey, SaysItsKey, tries
from tests.waiting import until

BOTH = pytest.mark.parametrize("node", [SaysItsKey, AsyncSaysItsKey], ids=["blocking", "async"])


@pytest.fixture
def said(tmp_path: Path) -> str:
    return str(tmp_path / "said")


@pytest.fixture(scope="module")
def cluster() -> Iterator[flowq.LocalCluster]:
    with flowq.LocalCluster(workers=1, slots=2, lease_s=3, imports=["tests.keyed"], grace_s=0) as cluster:
        yield cluster


def keys_of(said: str) -> dict[int, set[str]]:
    """The keys that each item has run under."""
    keys: dict[int, set[str]] = defaultdict(set)
    for one in tries(said):
        keys[one.index].add(one.key)
    return keys


def assert_one_key_an_item(said: str, result: list[str]) -> None:
    """Each item ran under one key, its own, and answered it."""
    assert keys_of(said) == {index: {key} for index, key in enumerate(result)}
    assert len(set(result)) == len(result)


def held_by(said: str, worker: LocalWorker) -> bool:
    def group(pid: int) -> int:
        try:
            return os.getpgid(pid)
        except ProcessLookupError:
            return 0

    return any(group(one.pid) == worker.pid for one in tries(said))


@BOTH
def test_an_item_whose_worker_is_killed_sees_its_key_again_on_another(said: str, node: type[SaysItsKey]) -> None:
    with flowq.LocalCluster(workers=1, slots=1, lease_s=2, imports=["tests.keyed"], grace_s=0) as cluster:
        handle = node(said, seconds=0.5, in_flight=2).submit(range(4))
        until(lambda: held_by(said, cluster.workers[0]), 10, "its worker has begun an item")
        cluster.kill_worker(0)
        cluster.add_worker()
        result = handle.result(timeout=30)
    assert_one_key_an_item(said, result)
    (again, *_) = [index for index, _ in keys_of(said).items() if runs(said, index) > 1]
    assert len({one.pid for one in tries(said) if one.index == again}) == 2


def runs(said: str, index: int) -> int:
    return sum(one.index == index for one in tries(said))


def test_an_item_whose_process_is_killed_sees_its_key_again(cluster: flowq.LocalCluster, said: str) -> None:
    handle = SaysItsKey(said, seconds=0.5).submit(range(6))
    first = until(lambda: tries(said)[:1], 10, "an item has begun")[0]
    os.kill(first.pid, signal.SIGKILL)
    result = handle.result(timeout=30)
    assert_one_key_an_item(said, result)
    assert runs(said, first.index) == 2


@BOTH
@pytest.mark.parametrize("wait_s", [0.0, 1.1], ids=["at once", "parked"])
def test_every_try_of_an_item_has_the_same_key(
    cluster: flowq.LocalCluster, said: str, node: type[SaysItsKey], wait_s: float
) -> None:
    result = node(said, failing=(1, 4), max_retries=3, wait=wait_s).map(range(6))
    assert_one_key_an_item(said, result)
    assert [one.attempt for one in tries(said) if one.index == 4] == [0, 1, 2]


def test_items_of_different_batches_have_different_keys_and_a_submit_key_makes_them_lasting(
    cluster: flowq.LocalCluster, said: str
) -> None:
    node = SaysItsKey(said)
    first, second = node.map(range(3)), node.map(range(3))
    assert not set(first) & set(second)
    lasting = node.submit(range(3), key="2026-11").result()
    with flowq.LocalCluster(workers=1, slots=1, imports=["tests.keyed"], grace_s=0):  # a Redis that knows nothing of it
        assert node.submit(range(3), key="2026-11").result() == lasting
