"""A small batch beside a long one: it does not wait for its end."""

from __future__ import annotations

import time
from pathlib import Path

import flowq
from tests import nodes
from tests.submitting import submit


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
