"""A node's lifespan: once a process on workers, once a batch inline; what it opens is there for every item."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

import flowq
from flowq.batch.executor import activated
from flowq.batch.inline.executor import InlineExecutor
from flowq.engine.running.templates import KEPT
from tests import nodes


@pytest.mark.parametrize("node", [nodes.Connected, nodes.AsyncConnected])
def test_a_client_is_opened_once_a_process_and_closed_when_it_ends(tmp_path: Path, node: type[nodes.Connected]) -> None:
    log = tmp_path / "log"
    with flowq.LocalCluster(slots=2, imports=["tests.nodes"]):
        for _ in range(3):
            clients = node(str(log)).map(range(50))
            assert all(client.startswith("client of ") for client in clients)
        opened = [line for line in log.read_text().splitlines() if line.startswith("open")]
        assert 1 <= len(opened) <= 2
        assert len(set(opened)) == len(opened)
    lines = log.read_text().splitlines()
    assert sorted(line.split()[1] for line in lines if line.startswith("close")) == sorted(
        line.split()[1] for line in opened
    )


@pytest.mark.parametrize("node", [nodes.Connected, nodes.AsyncConnected])
def test_inline_it_is_opened_for_the_batch(tmp_path: Path, node: type[nodes.Connected]) -> None:
    log = tmp_path / "log"
    with activated(InlineExecutor()):
        assert len(set(node(str(log)).map(range(10)))) == 1
    assert [line.split()[0] for line in log.read_text().splitlines()] == ["open", "close"]


@pytest.mark.parametrize("node", [nodes.Connected, nodes.AsyncConnected])
def test_a_process_that_meets_ever_new_nodes_closes_what_those_used_least_lately_keep_open(
    tmp_path: Path, node: type[nodes.Connected]
) -> None:
    log = tmp_path / "log"
    with flowq.LocalCluster(slots=1, imports=["tests.nodes"]):
        for tries in range(2, KEPT + 12):
            assert node(str(log), max_retries=tries).map([0])[0].startswith("client of ")
            assert node(str(log)).map([0])[0].startswith("client of ")
        acts = [line.split()[0] for line in log.read_text().splitlines()]
        assert acts.count("open") == KEPT + 11, "the one that is used all the time is opened once"
        assert acts.count("open") - acts.count("close") == KEPT
    acts = [line.split()[0] for line in log.read_text().splitlines()]
    assert acts.count("open") == acts.count("close")


def test_what_a_worker_imported_is_no_matter_of_its_processes_garbage_collections(cluster: flowq.LocalCluster) -> None:
    collects, looked_at, left_out = nodes.Garbage().map([0])[0]
    assert collects
    assert left_out > 3 * looked_at


def test_a_workers_process_parses_no_c_to_die_with_its_parent(cluster: flowq.LocalCluster) -> None:
    assert find_spec("pycparser"), "cryptography brings it along"
    assert nodes.Imported().map(["billiard", "pycparser"]) == [True, False]
