"""What a fleet tells Prometheus, an autoscaler and whoever reads its log: a real exporter, real workers."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

import flowq
from flowq.engine.connection import Connections
from flowq.engine.fleet.exporter import MetricsServer
from tests import nodes
from tests.programs import ROOT
from tests.waiting import until

PASSWORD = "hush-hush"


class Exporter:
    """``flowq metrics`` on a free port."""

    def __init__(self, broker_url: str) -> None:
        env = {**os.environ, "PYTHONPATH": str(ROOT), "FLOWQ_BROKER_URL": broker_url, "FLOWQ_LEASE_S": "3"}
        command = [sys.executable, "-m", "flowq", "metrics", "--port", "0"]
        self._popen = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
        assert self._popen.stderr is not None
        self.said = self._popen.stderr.readline()
        self._url = self.said.partition("/metrics")[0]

    def get(self, path: str) -> str:
        with urllib.request.urlopen(self._url + path, timeout=10) as answer:
            return str(answer.read().decode())

    def value(self, name: str, **labels: str) -> float | None:
        """The value of a sample, summed over the labels that are not given; None if there is none."""
        found = None
        for sample, spelled, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", self.get("/metrics"), re.MULTILINE):
            if sample == name and labels.items() <= dict(re.findall(r'(\w+)="([^"]*)"', spelled)).items():
                found = (found or 0.0) + float(value)
        return found

    def pending(self, query: str = "") -> dict[str, int]:
        said: dict[str, int] = json.loads(self.get(f"/pending{query}"))
        return said

    def end(self) -> None:
        self._popen.terminate()
        self._popen.communicate(timeout=10)


@pytest.fixture(scope="module")
def fleet() -> Iterator[flowq.LocalCluster]:
    env = {"FLOWQ_LOG_FORMAT": "json"}
    with flowq.LocalCluster(
        slots=2, workers=1, imports=["tests.nodes"], log_level="INFO", lease_s=3, env=env, grace_s=0
    ) as fleet:
        yield fleet


@pytest.fixture(scope="module")
def exporter(fleet: flowq.LocalCluster) -> Iterator[Exporter]:
    exporter = Exporter(fleet.broker_url)
    yield exporter
    exporter.end()


def logged(fleet: flowq.LocalCluster, message: str) -> list[dict[str, Any]]:
    """The records of the worker's log with this text in their message; every line of the log is one."""
    lines = fleet.workers[0].log_path.read_text().splitlines()
    records = [json.loads(line) for line in lines if line.startswith("{")]
    return [one for one in records if message in one["message"]]


def test_what_waits_runs_and_is_parked_can_be_read_while_it_does(fleet: flowq.LocalCluster, exporter: Exporter) -> None:
    assert exporter.value("flowq_up") == 1
    assert exporter.value("flowq_slots", queue="flowq") == 2
    assert exporter.pending() == {"pending": 0, "slots": 2}
    batch = nodes.Slow(1.5).submit(range(50))
    until(lambda: exporter.value("flowq_running_items", node="Slow") == 2, 10, "both slots are busy")
    assert exporter.value("flowq_pending_items", queue="flowq", node="Slow") == 50
    assert exporter.pending("?queue=flowq") == {"pending": 50, "slots": 2}
    assert exporter.pending("?queue=other") == {"pending": 0, "slots": 0}
    assert exporter.value("flowq_batches", node="Slow", state="running") == 1
    assert 0 <= (exporter.value("flowq_lease_age_seconds", queue="flowq") or 0) < 3
    batch.cancel()
    until(lambda: exporter.pending()["pending"] == 0, 20, "a cancelled batch wants no slot")


def test_items_that_wait_for_another_try_are_parked_and_want_no_slot(
    fleet: flowq.LocalCluster, exporter: Exporter
) -> None:
    batch = nodes.FailsTwice(retry=flowq.Retry(attempts=3, wait=60)).submit(range(4))
    until(lambda: exporter.value("flowq_parked_items", node="FailsTwice") == 4, 10, "all are parked")
    assert exporter.value("flowq_pending_items", node="FailsTwice") == 0
    batch.cancel()


def test_outcomes_times_retries_and_snapshots_are_counted(fleet: flowq.LocalCluster, exporter: Exporter) -> None:
    nodes.FailsOn([3, 4], on_error="collect", name="Counted").submit(range(20)).result(timeout=20)
    nodes.FailsTwice(max_retries=3, name="Again").submit(range(5)).result(timeout=20)
    nodes.Slow(0.02, name="Timed").submit(range(10)).result(timeout=20)
    nodes.count_all(chunk_size=5).run({"base": 10, "count": 10, "log": ["before"]})
    # Each process of the worker writes its figures once a second: those of one node may be there before another's.
    ran = {"Counted": 20, "Again": 5, "Timed": 10}

    def counted() -> bool:
        return all(exporter.value("flowq_outcomes_total", node=node) == items for node, items in ran.items())

    until(lambda: counted() and (exporter.value("flowq_snapshot_bytes_total") or 0) > 10, 10, "all are counted")
    assert exporter.value("flowq_outcomes_total", node="Counted", outcome="ok") == 18
    assert exporter.value("flowq_outcomes_total", node="Counted", outcome="failed") == 2
    assert exporter.value("flowq_retried_items_total", node="Again") == 5
    assert exporter.value("flowq_item_seconds_count", node="Timed") == 10
    assert 0.2 <= (exporter.value("flowq_item_seconds_sum", node="Timed") or 0) < 2
    assert exporter.value("flowq_item_seconds_bucket", node="Timed", le="0.01") == 0
    assert exporter.value("flowq_item_seconds_bucket", node="Timed", le="+Inf") == 10
    assert (exporter.value("flowq_chunk_seconds_count", node="Timed") or 0) >= 1


def test_no_label_holds_an_id_and_no_line_a_password(fleet: flowq.LocalCluster, exporter: Exporter) -> None:
    batch = nodes.Square().submit(range(3))
    assert batch.wait(20)
    assert batch.id not in exporter.get("/metrics")
    told = Exporter(f"redis://me:{PASSWORD}@127.0.0.1:1/0")
    assert PASSWORD not in told.said
    assert "me:***@127.0.0.1:1" in told.said
    # Redis is away: that is a figure, and no reason for an autoscaler to end every worker.
    assert told.value("flowq_up") == 0
    with pytest.raises(urllib.error.HTTPError, match="503"):
        told.pending()
    told.end()


def test_what_an_item_prints_and_logs_is_found_by_its_batch_and_index(fleet: flowq.LocalCluster) -> None:
    batch = nodes.Chatty().submit(range(6), label="talk")
    assert batch.wait(20)
    until(lambda: len(logged(fleet, "heard of")) == 6, 10, "all lines")
    here = {"batch": batch.id, "node": "Chatty", "attempt": 1}
    for item in range(6):
        (printed,) = logged(fleet, f"printed by {item} in two parts")
        assert here.items() <= printed.items()
        assert (printed["item"], printed["logger"], printed["level"]) == (item, "flowq.print", "INFO")
        (said,) = logged(fleet, f"heard of {item}")
        assert here.items() <= said.items()
        assert (said["item"], said["customer"]) == (item, f"no. {item}")


def test_async_items_that_run_together_are_told_apart(fleet: flowq.LocalCluster) -> None:
    batch = nodes.AsyncChatty(max_retries=2).submit(range(4))
    assert batch.wait(20)
    until(lambda: len(logged(fleet, "async item")) == 8, 10, "two tries each")
    said = {(one["batch"], one["item"], one["attempt"], one["message"]) for one in logged(fleet, "async item")}
    assert said == {(batch.id, item, attempt, f"async item {item}") for item in range(4) for attempt in (1, 2)}


def test_a_traceback_is_cut_and_a_password_is_hidden(fleet: flowq.LocalCluster) -> None:
    assert nodes.Chatty(trouble=True).submit([0]).wait(20)
    (record,) = until(lambda: logged(fleet, "in trouble"), 10, "the record")
    assert PASSWORD not in json.dumps(record)
    assert "redis://me:***@host/0" in record["message"]
    assert 1000 < len(record["traceback"].encode()) <= 16384
    assert record["traceback"].endswith("ValueError: deep down")


def test_every_line_of_the_log_is_json(fleet: flowq.LocalCluster) -> None:
    lines = fleet.workers[0].log_path.read_text().splitlines()
    lines = lines[next(at for at, line in enumerate(lines) if line.startswith("{")) :]  # Celery warns root before
    assert [line for line in lines if not line.startswith("{")] == []


def test_a_metrics_server_that_never_served_is_closed_at_once() -> None:
    server = MetricsServer(Connections(flowq.Settings()), address="127.0.0.1", port=0)
    closing = threading.Thread(target=server.close, daemon=True)
    closing.start()
    closing.join(10)
    assert not closing.is_alive()
    server.serve()  # ends at once
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(f"{server.url}/healthz", timeout=5)


def test_a_metrics_server_is_closed_while_it_begins_to_serve() -> None:
    for _ in range(4):
        server = MetricsServer(Connections(flowq.Settings()), address="127.0.0.1", port=0)
        serving = threading.Thread(target=server.serve, daemon=True)
        serving.start()
        server.close()
        serving.join(10)
        assert not serving.is_alive()
