"""Rows 94 and 95: ``setup`` once a process, ``teardown`` always; what is opened is used by every item."""

from __future__ import annotations

import asyncio
import socketserver
import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import flowq
from tests.features import functions


class Answers(socketserver.StreamRequestHandler):
    """Doubles every number it is sent; its server counts connections."""

    def handle(self) -> None:
        self.server.connections.append(self.client_address)  # type: ignore[attr-defined]
        for line in self.rfile:
            self.wfile.write(f"{int(line) * 2}\n".encode())


@pytest.fixture
def server() -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Answers) as server:
        server.daemon_threads = True
        server.connections = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("kind", [functions.Asks, functions.AsksLater])
def test_row_095_one_connection_a_process_serves_many_chunks_of_many_batches(
    cluster: flowq.LocalCluster, server: Any, kind: Any
) -> None:
    node = kind(server.server_address[1], chunk_size=10)
    for _ in range(3):
        assert node.map(range(300)) == [2 * n for n in range(300)]
    assert 1 <= len(server.connections) <= 2, "the cluster has two processes"


@pytest.mark.parametrize("kind", [functions.Asks, functions.AsksLater])
def test_row_095_inline_a_batch_has_one_connection(inline: None, server: Any, kind: Any) -> None:
    assert kind(server.server_address[1]).map(range(100)) == [2 * n for n in range(100)]
    assert len(server.connections) == 1


class Keeps(flowq.Node):
    """Keeps a database open while the flow runs, and writes down when."""

    def setup(self) -> None:
        self.db = sqlite3.connect(":memory:")  # which may be used in the thread that made it alone
        self.config["log"].append("setup")

    def teardown(self) -> None:
        self.db.close()
        self.config["log"].append("teardown")

    def exec(self, prep_res: Any) -> int:
        self.config["log"].append("exec")
        return int(self.db.execute("select 41 + 1").fetchone()[0])

    def post(self, shared: Any, prep_res: Any, exec_res: int) -> str:
        shared["found"] = exec_res
        shared["left"] = shared.get("left", 3) - 1
        return "again" if shared["left"] else "done"


class Fails(Keeps):
    def exec(self, prep_res: Any) -> int:
        raise functions.Odd


def test_row_095_a_run_opens_once_what_copies_of_the_node_use_at_every_visit(inline: None) -> None:
    log: list[str] = []
    node = Keeps(config={"log": log})
    node - "again" >> node
    node - "done" >> flowq.Node()
    shared: dict[str, Any] = {}
    flowq.Flow(start=node).run(shared)
    assert log == ["setup", "exec", "exec", "exec", "teardown"]
    log.clear()
    assert [step.action for step in flowq.Flow(start=node).iter({})][:3] == ["again", "again", "done"]
    assert log == ["setup", "exec", "exec", "exec", "teardown"]


def test_row_094_teardown_runs_although_the_run_fails(inline: None) -> None:
    log: list[str] = []
    with pytest.raises(functions.Odd):
        Fails(config={"log": log}).run({})
    assert log == ["setup", "teardown"]


def test_row_094_teardown_runs_although_an_item_fails(inline: None) -> None:
    log: list[str] = []

    class Items(flowq.BatchNode[int, int]):
        def setup(self) -> None:
            log.append("setup")

        def teardown(self) -> None:
            log.append("teardown")

        def exec(self, item: int) -> int:
            raise functions.Odd

    with pytest.raises(flowq.BatchError):
        Items().map([1, 2])
    assert log == ["setup", "teardown"]


async def test_row_095_in_a_loop_setup_may_be_async(inline: None) -> None:
    log: list[str] = []

    class Opens(flowq.Node):
        async def setup(self) -> None:
            await asyncio.sleep(0)
            log.append("setup")

        async def teardown(self) -> None:
            await asyncio.sleep(0)
            log.append("teardown")

        async def exec(self, prep_res: Any) -> None:
            log.append("exec")

    first, second = Opens(), Opens()
    await flowq.Parallel(first, second).run_async({})
    assert log == ["setup", "setup", "exec", "exec", "teardown", "teardown"]
    log.clear()
    await asyncio.to_thread(flowq.Flow(start=Opens()).run, {})
    assert log == ["setup", "exec", "teardown"]


def test_row_095_a_node_that_a_map_is_made_of_is_opened_for_its_items(inline: None) -> None:
    log: list[str] = []
    assert flowq.MapNode(Keeps(config={"log": log}), concurrency=None).map([1, 2]) == [42, 42]
    assert log == ["setup", "exec", "exec", "teardown"]
