"""Where results go is decided by those who start the workers, not by what lies in Redis."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.batch.results.allowed_sinks import is_below
from flowq.codec import dumps, loads
from tests import nodes, sinking
from tests.keyed import AsyncSaysItsKey, SaysItsKey, tries
from tests.waiting import until


def test_a_worker_writes_where_it_may_and_nowhere_else(tmp_path: Path) -> None:
    allowed, elsewhere = tmp_path / "allowed", tmp_path / "elsewhere"
    env = {"FLOWQ_SINKS": str(allowed)}
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nodes"], env=env, grace_s=0):
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
    env = {"FLOWQ_SINKS": str(tmp_path / "here")}
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.keyed"], env=env, grace_s=0):
        handle = node(said, sink=elsewhere, on_error="collect", chunk_size=10).submit(range(1000))
        refused = handle.result(timeout=30)  # where each chunk tries again, it takes minutes
        assert {(one.status, type(one.error)) for one in refused.items} == {("failed", flowq.SinkFailed)}
        raises = node(said, sink=elsewhere).submit(range(1000))
        with pytest.raises(flowq.BatchError, match="FLOWQ_SINKS"):
            raises.result(timeout=30)
        assert tries(said) == []
        assert raises.progress().failed == 1


@pytest.fixture(scope="module")
def allowed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The one folder that the workers of ``fleet`` may write to."""
    return tmp_path_factory.mktemp("allowed")


@pytest.fixture(scope="module")
def fleet(allowed: Path) -> Iterator[flowq.LocalCluster]:
    imports, env = ["tests.keyed", "tests.nodes", "tests.sinking"], {"FLOWQ_SINKS": str(allowed)}
    with flowq.LocalCluster(slots=2, workers=1, imports=imports, env=env) as cluster:
        yield cluster


HERE = [sinking.Here, sinking.AsyncHere, sinking.ManyHere]


@pytest.mark.parametrize("node", HERE)
def test_a_batch_within_a_run_writes_where_its_worker_may_and_nowhere_else(
    fleet: flowq.LocalCluster, allowed: Path, tmp_path: Path, node: type[sinking.Here]
) -> None:
    said, elsewhere = str(tmp_path / "said"), tmp_path / "elsewhere"
    run = flowq.Flow(node(said, sink=str(elsewhere), on_error="collect")).submit({})
    shared = run.result(timeout=30).shared
    assert shared["values"] == [None] * 3
    assert all(f"FLOWQ_SINKS={elsewhere}" in error for error in shared["errors"])
    assert shared["attempts"] == [0, 0, 0], "none of them ran"
    assert not Path(said).exists()
    assert not elsewhere.exists()
    shared = flowq.Flow(node(said, sink=str(allowed / "squares"))).submit({}).result(timeout=30).shared
    assert shared["values"] == [0, 1, 4]


@pytest.mark.parametrize("node", HERE)
def test_a_batch_within_a_batch_flow_writes_nowhere_else(
    fleet: flowq.LocalCluster, tmp_path: Path, node: type[sinking.Here]
) -> None:
    said, elsewhere = str(tmp_path / "said"), tmp_path / "elsewhere"
    with pytest.raises(flowq.BatchError, match="FLOWQ_SINKS"):
        sinking.Places(node(said, sink=str(elsewhere))).run({})
    assert not Path(said).exists()
    assert not elsewhere.exists()


def test_a_batch_that_an_item_maps_over_writes_nowhere_else(fleet: flowq.LocalCluster, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (errors,) = sinking.Inside(str(elsewhere)).map([1])
    assert len(errors) == 2
    assert all(error.startswith("SinkFailed") and f"FLOWQ_SINKS={elsewhere}" in error for error in errors)
    assert not elsewhere.exists()


def test_a_url_where_a_worker_may_not_write_is_not_even_opened(fleet: flowq.LocalCluster, tmp_path: Path) -> None:
    """Some file systems connect to their host when they are made."""
    url, said = "nosuchscheme://host/folder", str(tmp_path / "said")
    for node in (sinking.Here(said, sink=url), sinking.Waits(said, sink=url)):
        with pytest.raises(flowq.BatchError, match=f"FLOWQ_SINKS={url}"):
            flowq.Flow(node).submit({}).result(timeout=30)


def test_a_worker_reads_no_part_where_it_may_not_write(
    fleet: flowq.LocalCluster, allowed: Path, tmp_path: Path
) -> None:
    secret, go = tmp_path / "secret.json", tmp_path / "go"
    secret.write_text('"top secret"\n')
    run: Any = flowq.Flow(sinking.Waits(str(go), sink=str(allowed / "parts"), chunk_size=1)).submit({})
    (batch_id,) = until(run.batches, 30, "its batch is there")
    connections = fleet.executor.connections
    out = connections.keys.of(batch_id, "out")
    ((field, blob),) = until(lambda: connections.redis.hgetall(out), 30, "its first item has ended").items()
    start, (_, n), *rest = loads(blob)
    connections.redis.hset(out, field, dumps((start, (str(secret), n), *rest)))
    go.touch()
    with pytest.raises(flowq.SinkFailed, match="does not read"):
        run.result(timeout=30)


@pytest.mark.parametrize(
    ("address", "place", "below"),
    [
        ("/data/out", "/data", True), ("/data", "/data", True), ("/data/../etc", "/data", False),
        ("/database", "/data", False), ("s3://bucket/out", "s3://bucket", True), ("s3://bucket2", "s3://bucket", False),
        ("s3://bucket/../other", "s3://bucket", False), ("/data", "s3://bucket", False), ("file:///etc", "/", False),
        ("dir://out/x::file:///etc", "dir://out", False),
        ("simplecache::s3://bucket/out", "simplecache::s3://bucket", True),
    ],
)  # fmt: skip
def test_what_lies_below_a_place_is_allowed(address: str, place: str, below: bool) -> None:
    assert is_below(address, place) is below
