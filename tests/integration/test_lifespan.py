"""A node's lifespan: once a process on workers, once a batch inline; what it opens is there for every item."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowq
from flowq.batch.executor import activated
from flowq.batch.inline import InlineExecutor
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
