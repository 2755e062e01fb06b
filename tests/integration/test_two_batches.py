"""A small batch beside a long one: it does not wait for its end."""

from __future__ import annotations

import time
from pathlib import Path

import flowq
from tests import nodes
from tests.submitting import submit
from tests.waiting import until


def test_a_small_batch_is_soon_done_beside_a_long_one(cluster: flowq.LocalCluster) -> None:
    long = submit(nodes.Sleepy(on_error="collect"), [0.005] * 100_000)
    began = time.monotonic()
    assert submit(nodes.Sleepy(), [0.1] * 10).result(timeout=20) == [0.1] * 10
    seconds = time.monotonic() - began
    assert long.progress().done < 100_000
    long.cancel()
    assert seconds < 3.0


def test_a_small_batch_has_its_turn_beside_a_long_one_of_async_items(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    long = submit(nodes.AsyncLogged(str(tmp_path / "oracle"), seconds=0.05, in_flight=4), range(10_000))
    assert submit(nodes.Sleepy(), [0.1] * 10).result(timeout=20) == [0.1] * 10
    assert long.progress().done < 10_000
    long.cancel()


def test_a_small_batch_has_its_turn_beside_a_long_one_that_takes_chunks_without_their_messages(
    cluster: flowq.LocalCluster, tmp_path: Path
) -> None:
    node = nodes.AsyncLogged(str(tmp_path / "oracle"), seconds=0.05, in_flight=20, concurrency=50)
    long = submit(node, range(14_000))
    until(lambda: long.progress().done > 4000, 15, "its messages had time to pile up")
    assert submit(nodes.Sleepy(), [0.1] * 10).result(timeout=20) == [0.1] * 10
    assert long.progress().done < 10_000
    long.cancel()


def test_a_small_batch_waits_for_one_long_item_of_each_slot_though_more_have_messages_before_it() -> None:
    with flowq.LocalCluster(slots=1, imports=["tests.nodes"]):
        long = nodes.Slow(1.1, chunk_size=1).submit(range(10))
        until(lambda: long.progress().running, 10, "the first item runs")
        assert nodes.Square().map([3]) == [9]
        assert long.progress().done == 1
        long.cancel()
