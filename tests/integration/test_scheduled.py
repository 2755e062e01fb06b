"""Flows started by Celery beat: one run for each time they are due, whoever sends it and however often."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from celery.schedules import crontab

import flowq
from flowq.engine.app import RUN_FLOW
from flowq.engine.care.catalog import Catalog
from flowq.engine.feeding.scheduled import due_moment, period_s
from tests import nested
from tests.waiting import until


def runs(cluster: flowq.LocalCluster) -> list[str]:
    connections = cluster.executor.connections
    return [entry.id for entry in Catalog(connections.redis, connections.keys).newest("run")]


def test_beat_starts_a_run_whenever_the_flow_is_due(tmp_path: Path) -> None:
    with flowq.LocalCluster(slots=2, workers=1, imports=["tests.nested"], grace_s=0) as cluster:
        env = {
            **os.environ, "FLOWQ_BROKER_URL": cluster.broker_url, "FLOWQ_TEST_NOTES": str(tmp_path / "notes"),
            "PYTHONPATH": os.pathsep.join(sys.path),
        }  # fmt: skip
        command = [sys.executable, "-m", "celery", "-A", "tests.beat_app", "beat", "-s", str(tmp_path / "schedule")]
        beat = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            until(lambda: len(runs(cluster)) >= 2, 30, "beat has started two runs")
        finally:
            beat.terminate()
            beat.wait(timeout=10)
        for run_id in runs(cluster):
            assert flowq.get_run(run_id).result(timeout=20).shared["squares"] == [1, 4]

        # The same message twice is one run.
        before = len(runs(cluster))
        entry = flowq.scheduled(nested.six_steps(str(tmp_path / "notes")), 60, key="twice", shared={"numbers": [3]})
        app = cluster.executor.connections.app
        for _ in range(2):
            app.send_task(RUN_FLOW, args=(*entry["args"][:3], 1_700_000_000), **entry["options"])
        until(lambda: len(runs(cluster)) > before, 20, "the run was started")
        assert flowq.get_run(runs(cluster)[0]).result(timeout=20).shared["squares"] == [9]
        assert len(runs(cluster)) == before + 1


def test_a_schedule_s_period_is_the_key_s_second_part() -> None:
    assert (period_s(crontab(minute="*/5")), period_s(timedelta(hours=1)), period_s(10)) == (60, 3600, 10)
    assert due_moment(3600) % 3600 == 0


def test_what_is_too_large_for_a_schedule_is_said() -> None:
    with pytest.raises(flowq.ConfigError, match="first node read what is large"):
        flowq.scheduled(nested.six_steps("x"), 60, key="large", shared={"data": os.urandom(60_000)})


def test_a_key_that_no_worker_would_take_is_refused() -> None:
    assert flowq.scheduled(nested.six_steps("x"), 60, key="k" * 200)["args"][2] == "k" * 200
    with pytest.raises(flowq.ConfigError, match=r"at most 200 characters, 'k+'… has 201"):
        flowq.scheduled(nested.six_steps("x"), 60, key="k" * 201)
