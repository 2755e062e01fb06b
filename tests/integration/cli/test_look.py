"""The commands that look at batches and end them, on the shared cluster."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import flowq
from flowq.cli import main
from flowq.client.executor import CeleryExecutor
from flowq.engine.connection import Connections
from flowq.local import EmbeddedRedis
from tests import nodes
from tests.integration.cli.conftest import Flowq
from tests.submitting import submit
from tests.waiting import until


@pytest.fixture
def failed(cluster: flowq.LocalCluster) -> flowq.BatchHandle[Any]:
    """Ten items of which number 7 failed at both of its tries."""
    batch = submit(nodes.Keyed(max_retries=2, on_error="collect"), range(10), label="ten")
    assert batch.wait(20)
    return batch


@pytest.fixture
def sleeping(cluster: flowq.LocalCluster) -> Iterator[flowq.BatchHandle[Any]]:
    """A batch that waits for a worker on a queue that none consumes."""
    batch = submit(nodes.Sleepy(queue="nobody-here"), [60.0] * 4, label="sleeping")
    yield batch
    batch.cancel()


def test_ls_lists_the_newest_first_as_text_and_as_json(flowq_cli: Flowq, failed: flowq.BatchHandle[Any]) -> None:
    shown = flowq_cli("ls", "--label", "ten")
    assert shown.exit_code == 0
    assert failed.id in shown.output
    assert "9 ok · 1 failed" in shown.output
    first = json.loads(flowq_cli("ls", "--json").output)[0]
    assert (first["id"], first["state"], first["ok"], first["failed"]) == (failed.id, "succeeded", 9, 1)


def test_ls_cuts_no_id_however_long_what_else_it_shows(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    label = "a label that is as long as what people call their monthly reports"
    batch = submit(nodes.Keyed(max_retries=2, on_error="collect"), range(10), label=label, key="a key of many letters")
    assert batch.wait(20)
    (line,) = [line for line in flowq_cli("ls").output.splitlines() if line.startswith(batch.id)]
    assert "succeeded" in line


def test_the_key_of_a_batch_and_of_a_run_is_shown(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    key = "prices of 2026-05-01"
    batch = submit(nodes.Square(queue="nobody-here"), [1, 2], key=key)
    run = flowq.Flow(nodes.SquaresOf(), name="nightly").submit({}, key=key)
    assert run.wait(20)
    for made in (batch, run):
        (listed,) = [one for one in json.loads(flowq_cli("ls", "--json").output) if one["id"] == made.id]
        assert (listed["key"], listed["producer_gone"]) == (key, False)
        shown = flowq_cli("ls", "--label", made.label).output  # beside longer ids there may be no room for keys
        (line,) = [line for line in shown.splitlines() if line.startswith(made.id)]
        assert line.rstrip().endswith(key)
        assert key in flowq_cli("status", made.id).output
        assert json.loads(flowq_cli("status", made.id, "--json").output)["key"] == key
    assert key in flowq_cli("status").output
    batch.cancel()
    other = submit(nodes.Square(), [1])
    assert json.loads(flowq_cli("status", other.id, "--json").output)["key"] is None


def breaks() -> Iterator[int]:
    yield from range(100)
    raise OSError("the source broke")


def begun_and_left(executor: CeleryExecutor, key: str) -> str:
    """The id of a batch whose producer does not come back, and is taken for gone after half a second."""
    connections = Connections(executor.settings)
    connections.times = replace(connections.times, feed_ms=500)
    producer = CeleryExecutor(executor.settings, connections=connections)
    batch = producer.submit(nodes.Echo(queue="nobody-here").job(breaks(), key=key, label="half-written"))
    with pytest.raises(OSError, match="the source broke"):
        batch.wait(20)
    connections.close()
    return batch.id


@pytest.mark.parametrize("cared_for", [True, False], ids=["a caretaker saw it", "nobody saw it"])
def test_a_batch_whose_producer_is_gone_is_shown_as_such(
    request: pytest.FixtureRequest, redis_server: EmbeddedRedis, cared_for: bool
) -> None:
    url = request.getfixturevalue("cluster").broker_url if cared_for else redis_server.url
    executor = CeleryExecutor(flowq.Settings(broker_url=url))
    batch_id = begun_and_left(executor, f"half {cared_for}")
    connections = executor.connections

    def called(*words: str) -> str:
        return CliRunner().invoke(main, words, env={"FLOWQ_BROKER_URL": url, "COLUMNS": "140"}).output

    until(lambda: json.loads(called("status", batch_id, "--json"))["producer_gone"], 20, "it is seen")
    if cared_for:
        until(lambda: connections.redis.zscore(connections.keys.of(batch_id, "wake"), "orphan"), 20, "it is seen")
    for words in (("ls",), ("status",)):
        (line,) = [line for line in called(*words).splitlines() if line.startswith(batch_id)]
        assert "producer gone" in line
    assert "a submit of the same items under its key writes the rest" in called("status", batch_id)
    node = nodes.Echo(queue="nobody-here")
    executor.submit(node.job(range(200), key=f"half {cared_for}", label="half-written"))
    assert json.loads(called("status", batch_id, "--json"))["producer_gone"] is False
    assert "producer" not in called("status", batch_id)
    connections.ledger.control(batch_id, "cancel")
    connections.close()


def test_ls_of_nothing_says_so(flowq_cli: Flowq) -> None:
    assert flowq_cli("ls", "--label", "nothing-is-called-so").output == "No such batches.\n"


def test_status_shows_the_workers_and_what_is_under_way(flowq_cli: Flowq, sleeping: flowq.BatchHandle[Any]) -> None:
    shown = flowq_cli("status").output
    assert sleeping.id in shown
    assert "tests.nodes" in shown
    assert "4 items to do" in shown
    status = json.loads(flowq_cli("status", "--json").output)
    assert status["workers"][0]["slots"] == 2
    assert sleeping.id in [one["id"] for one in status["batches"]]


def test_status_counts_what_it_does_not_show(redis_server: EmbeddedRedis) -> None:
    executor = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    handles = [executor.submit(nodes.Square().job(range(3))) for _ in range(23)]
    handles[0].cancel()
    shown = CliRunner().invoke(main, ["status"], env={"FLOWQ_BROKER_URL": redis_server.url}).output
    assert handles[-1].id in shown
    assert handles[1].id not in shown
    assert "And 2 older ones. 66 items to do." in shown
    executor.connections.close()


def test_status_of_a_batch_shows_what_it_is(flowq_cli: Flowq, sleeping: flowq.BatchHandle[Any]) -> None:
    shown = flowq_cli("status", sleeping.id).output
    assert "running" in shown
    assert "Sleepy (queue nobody-here)" in shown
    assert json.loads(flowq_cli("status", sleeping.id, "--json").output)["total"] == 4


def test_failures_show_input_error_and_where_it_was_raised(flowq_cli: Flowq, failed: flowq.BatchHandle[Any]) -> None:
    shown = flowq_cli("failures", failed.id)
    assert shown.exit_code == 0
    assert "1 of 10 items failed" in shown.output
    assert "key-7" in shown.output
    assert "ValueError: 7 is refused" in shown.output
    assert "nodes.py" in shown.output
    assert "flowq/batch" not in shown.output, "flowq's own frames are of no use to anybody"
    assert f"flowq retry {failed.id}" in shown.output
    line = json.loads(flowq_cli("failures", failed.id, "--json").output)
    assert (line["index"], line["key"], line["input"], line["attempts"]) == (7, "key-7", 7, 2)


def test_many_failures_are_counted_by_kind(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    batch = submit(nodes.Picky(on_error="collect"), range(200))
    assert batch.wait(20)
    shown = flowq_cli("failures", batch.id, "-n", "3").output
    assert "The first 3 of" in shown
    assert "× Refused" in shown
    assert "× tests.nodes.Unknown" in shown
    assert flowq_cli("failures", batch.id, "-n", "2", "--traceback").output.count("Traceback") == 2


def test_no_failures_are_said(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    batch = submit(nodes.Square(), range(3))
    assert batch.wait(20)
    assert f"No item of {batch.id} has failed" in flowq_cli("failures", batch.id).output


def test_results_are_lines_or_a_file(flowq_cli: Flowq, failed: flowq.BatchHandle[Any], tmp_path: Path) -> None:
    lines = [json.loads(line) for line in flowq_cli("results", failed.id, "--json").output.splitlines()]
    assert [line["output"] for line in lines] == [0, 1, 2, 3, 4, 5, 6, None, 8, 9]
    assert lines[7]["error"] == "ValueError: 7 is refused"
    table, records = tmp_path / "out.csv", tmp_path / "out.jsonl"
    assert "Wrote 10 items" in flowq_cli("results", failed.id, "-o", str(table), "--inputs").output
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [(row["status"], row["key"], row["input"]) for row in rows[6:8]] == [
        ("ok", "key-6", "6"),
        ("failed", "key-7", "7"),
    ]
    flowq_cli("results", failed.id, "-o", str(records), "--status", "failed")
    assert json.loads(records.read_text())["index"] == 7


def test_results_of_whatever_kind_are_written(flowq_cli: Flowq, cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    batch = submit(nodes.Echo(), [{(1, 2): Fraction(1, 3)}, range(3)])
    assert batch.wait(20)
    lines = [json.loads(line) for line in flowq_cli("results", batch.id, "--json", "--inputs").output.splitlines()]
    assert [(line["output"], line["input"]) for line in lines] == [({"1,2": "1/3"},) * 2, ([0, 1, 2],) * 2]


def test_long_results_are_in_item_order(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    n = 25_000
    batch = submit(nodes.Square(), range(n))
    assert batch.wait(20)
    rows = list(csv.reader(flowq_cli("results", batch.id).output.splitlines()))
    assert [int(row[2]) for row in rows[1:]] == [i * i for i in range(n)]


def test_results_while_a_batch_runs_read_as_cancelled(flowq_cli: Flowq, sleeping: flowq.BatchHandle[Any]) -> None:
    line = json.loads(flowq_cli("results", sleeping.id, "--json").output.splitlines()[0])
    assert (line["status"], line["error"]) == ("cancelled", "ItemCancelled: it has no outcome yet")


def test_watch_says_how_it_ended(flowq_cli: Flowq, failed: flowq.BatchHandle[Any]) -> None:
    shown = flowq_cli("watch", failed.id, "--progress", "lines")
    assert shown.exit_code == 0
    assert "ten: 10/10" in shown.output
    assert f"{failed.id} succeeded after" in shown.output
    stopped = submit(nodes.Keyed(chunk_size=1), range(8))
    assert flowq_cli("watch", stopped.id).exit_code == 1
    assert json.loads(flowq_cli("watch", failed.id, "--json").output)["state"] == "succeeded"


def test_cancel_ends_a_batch_for_good(flowq_cli: Flowq, sleeping: flowq.BatchHandle[Any]) -> None:
    assert "is cancelled: 0 of 4 items done" in flowq_cli("cancel", sleeping.id).output
    assert sleeping.wait(0)
    assert json.loads(flowq_cli("cancel", sleeping.id, "--json").output)["state"] == "cancelled"


def test_the_beginning_of_an_id_will_do(flowq_cli: Flowq, failed: flowq.BatchHandle[Any]) -> None:
    assert failed.id in flowq_cli("status", failed.id[:-2]).output
    other = submit(nodes.Square(), range(3), label="ten")
    shown = flowq_cli("status", "ten-")
    assert shown.exit_code == 2
    assert "begin with 'ten-'" in shown.output
    assert other.id in shown.output
    assert other.id in flowq_cli("status", "--json", other.id).output


def test_of_many_ids_that_begin_alike_five_are_named(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    for _ in range(6):
        submit(nodes.Square(), range(3), label="alike")
    said = flowq_cli("status", "alike-").output
    assert "6 begin with 'alike-'" in said
    assert said.rstrip().endswith(", …")


def test_without_an_id_the_newest_batch_is_meant(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    batch = submit(nodes.Square(), range(3), label="the-newest")
    assert batch.wait(20)
    assert batch.id in flowq_cli("failures").output
