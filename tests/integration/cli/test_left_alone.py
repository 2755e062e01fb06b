"""Batches and runs that a worker cannot run, for a class it does not know: who waits for them, or looks, is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

import flowq
from flowq.client import left_alone
from flowq.engine.reading.origin import read_origin
from tests import nodes
from tests.integration.cli.conftest import Flowq
from tests.submitting import submit
from tests.waiting import until


@flowq.register
@dataclass(frozen=True)
class Stranger:
    """Defined in this file, which no worker imports."""

    n: int


@flowq.register
class StrangerStore(BaseModel):
    """The same, of a store."""

    n: int = 3


def a_batch(cluster: flowq.LocalCluster) -> Any:
    return submit(nodes.Echo(), [Stranger(1)], label="strangers")


def an_async_batch(cluster: flowq.LocalCluster) -> Any:
    return submit(nodes.AsyncSquare(), [Stranger(1)], label="strangers")


def a_run(cluster: flowq.LocalCluster) -> Any:
    return flowq.Flow(nodes.SquaresOf(), name="strange").submit(flowq.SharedStore({}, schema=StrangerStore))


@pytest.mark.parametrize("begin", [a_batch, an_async_batch, a_run])
def test_who_waits_for_what_workers_have_left_is_told_why_and_so_is_who_looks(
    cluster: flowq.LocalCluster,
    flowq_cli: Flowq,
    begin: Callable[[flowq.LocalCluster], Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(left_alone, "LOOK_EVERY_S", 0.1)
    left = begin(cluster)
    until(lambda: left.wait(0.2) or "cannot run them" in caplog.text, 20, "the worker has left it")
    (said,) = [one.getMessage() for one in caplog.records if "cannot run them" in one.getMessage()]
    assert left.id in said
    assert "Stranger" in said
    for words in (("status", left.id, "--json"), ("ls", "--json")):
        found = json.loads(flowq_cli(*words).output)
        one = found if isinstance(found, dict) else next(listed for listed in found if listed["id"] == left.id)
        assert "Stranger" in one["left_by"]
    findings = json.loads(flowq_cli("doctor", "--json").stdout)["findings"]
    (finding,) = [one for one in findings if one["check"] == f"batch {left.id}"]
    assert "Stranger" in finding["found"]
    left.cancel()
    assert left.wait(20)
    assert json.loads(flowq_cli("status", left.id, "--json").output)["left_by"] is None


@pytest.mark.parametrize("node", [nodes.Echo, nodes.AsyncSquare])
def test_what_workers_have_left_is_run_when_it_is_begun_anew_under_its_key_with_items_that_they_know(
    node: type[flowq.ParallelBatchNode[Any, Any]],
) -> None:
    # One process alone, which has seen that it cannot read the old batch.
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nodes"], grace_s=0) as cluster:
        connections = cluster.executor.connections
        old = node().submit([Stranger(1)], key="again")
        until(lambda: read_origin(connections, old.id).left_by, 20, "the worker has left it")
        old.cancel()
        until(lambda: not connections.redis.zscore(connections.keys.batches, old.id), 20, "it was confirmed")
        connections.redis.delete(*connections.redis.keys(connections.keys.pattern(old.id)))  # its retention has passed
        new = node().submit([1], key="again")
        assert new.id == old.id
        assert new.result(timeout=20) == [1]
