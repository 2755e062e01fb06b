"""Where results go is decided by those who start the workers, not by what lies in Redis."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowq
from flowq.engine.allowed_sinks import is_below
from tests import nodes
from tests.keyed import AsyncSaysItsKey, SaysItsKey, tries


def test_a_worker_writes_where_it_may_and_nowhere_else(tmp_path: Path) -> None:
    allowed, elsewhere = tmp_path / "allowed", tmp_path / "elsewhere"
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nodes"], env={"FLOWQ_SINKS": str(allowed)}):
        written = nodes.Square(sink=str(allowed / "squares")).map(range(10))
        assert list(written) == [n * n for n in range(10)]
        refused = nodes.Square(sink=str(elsewhere), on_error="collect").map(range(10))
        assert [one.status for one in refused.items] == ["failed"] * 10
        assert isinstance(refused.errors[0], flowq.SinkFailed)
        assert f"FLOWQ_SINKS={elsewhere}" in str(refused.errors[0])
    assert not elsewhere.exists()


@pytest.mark.parametrize("node", [SaysItsKey, AsyncSaysItsKey])
def test_where_it_may_not_write_no_item_runs_and_all_fail_at_once(tmp_path: Path, node: type[SaysItsKey]) -> None:
    said, elsewhere = str(tmp_path / "said"), str(tmp_path / "elsewhere")
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.keyed"], env={"FLOWQ_SINKS": str(tmp_path / "here")}):
        handle = node(said, sink=elsewhere, on_error="collect", chunk_size=10).submit(range(1000))
        refused = handle.result(timeout=30)  # where each chunk tries again, it takes minutes
        assert {(one.status, type(one.error)) for one in refused.items} == {("failed", flowq.SinkFailed)}
        raises = node(said, sink=elsewhere).submit(range(1000))
        with pytest.raises(flowq.BatchError, match="FLOWQ_SINKS"):
            raises.result(timeout=30)
        assert tries(said) == []
        assert raises.progress().failed == 1


@pytest.mark.parametrize(
    ("address", "place", "below"),
    [
        ("/data/out", "/data", True), ("/data", "/data", True), ("/data/../etc", "/data", False),
        ("/database", "/data", False), ("s3://bucket/out", "s3://bucket", True), ("s3://bucket2", "s3://bucket", False),
        ("s3://bucket/../other", "s3://bucket", False), ("/data", "s3://bucket", False), ("file:///etc", "/", False),
    ],
)  # fmt: skip
def test_what_lies_below_a_place_is_allowed(address: str, place: str, below: bool) -> None:
    assert is_below(address, place) is below
