"""What people do to workers from outside: celery's inspect answers, and an urgent batch overtakes."""

from __future__ import annotations

from pathlib import Path

import flowq
from tests import nodes
from tests.waiting import until


def test_celerys_inspect_is_answered(cluster: flowq.LocalCluster) -> None:
    stats = cluster.executor.connections.app.control.inspect(timeout=2).stats()
    assert [name.partition("@")[0] for name in stats or {}] == ["local-1"]


def test_nine_is_more_urgent_than_nought(tmp_path: Path) -> None:
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nodes"], grace_s=0) as cluster:
        oracle = str(tmp_path / "oracle")
        before = nodes.Logged(oracle, seconds=1.0).submit([0])
        until(before.held, 10, "the only slot is taken")
        low = nodes.Logged(oracle, seconds=0.01, priority=0).submit([1])
        high = nodes.Logged(oracle, seconds=0.01, priority=9).submit([2])
        assert high.wait(20)
        assert low.wait(20)
        assert cluster.workers[0].ready
    assert [item for item, *_ in nodes.executions(oracle)] == [0, 2, 1]
