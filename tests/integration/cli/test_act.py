"""The commands that change something: retry, pause, resume, gc, init, run; and Ctrl-C in those that wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import flowq
from flowq.cli import main
from flowq.engine.care.remains import Cleaner
from flowq.engine.connection import Connections
from flowq.local import EmbeddedRedis, LocalCluster
from flowq.settings import Settings
from tests import nodes
from tests.integration.cli.commands import Command
from tests.integration.cli.conftest import Flowq
from tests.submitting import submit
from tests.waiting import until

FLOW = """
import flowq
from tests import nodes


class Items(flowq.Node):
    def post(self, shared, prep_res, exec_res):
        shared["items"] = list(range(shared.get("n", 5)))


class Squares(nodes.Square):
    pass


def flow():
    items, echo = Items(), nodes.FromStore()
    items >> echo
    return flowq.Flow(start=items)


def sleepy():
    items, sleepy = Items(), nodes.SleepyFromStore(queue="nobody-here")
    items >> sleepy
    return flowq.Flow(start=items)


def elsewhere():
    items, echo = Items(), nodes.FromStore(queue="gpu")
    items >> echo
    return flowq.Flow(start=items)


def failing():
    items, strict = Items(), nodes.KeyedFromStore(chunk_size=1)
    items >> strict
    return flowq.Flow(start=items)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sums.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.fixture
def waiting(cluster: LocalCluster) -> Iterator[flowq.BatchHandle[Any]]:
    """A batch that waits for a worker on a queue that none consumes."""
    batch = submit(nodes.Sleepy(queue="nobody-here"), [60.0] * 4)
    yield batch
    batch.cancel()


def test_run_sends_a_flow_to_the_fleet_and_shows_the_store(flowq_cli: Flowq, folder: Path) -> None:
    shown = flowq_cli("run", "sums:flow", "--set", "n=3", "--set", "who=me")
    assert shown.exit_code == 0
    assert "result  [0, 1, 2]" in shown.output
    assert "who     'me'" in shown.output
    said = json.loads(flowq_cli("run", "sums:flow", "--json", "--limit", "2").stdout)
    assert (said["succeeded"], said["shared"]["result"], said["batches"][0]["total"]) == (True, [0, 1], 2)


def test_run_without_workers_runs_here(folder: Path) -> None:
    shown = CliRunner().invoke(main, ["run", "sums:flow", "--set", "n=2"])
    assert shown.exit_code == 0
    assert "result  [0, 1]" in shown.output
    assert "--local" in shown.output


def test_a_failed_item_is_exit_status_1_with_its_trace(flowq_cli: Flowq, folder: Path) -> None:
    shown = flowq_cli("run", "sums:failing", "--set", "n=9")
    assert shown.exit_code == 1
    assert "ValueError: 7 is refused" in shown.output
    assert "nodes.py" in shown.output
    assert "flowq/batch" not in shown.output
    assert "flowq failures keyedfromstore-" in shown.output


def test_retry_runs_what_failed_once_more(flowq_cli: Flowq, cluster: LocalCluster, tmp_path: Path) -> None:
    mended = tmp_path / "mended"
    batch = submit(nodes.UntilMended(str(mended), on_error="collect"), range(6))
    assert batch.wait(20)
    assert flowq_cli("retry", batch.id).exit_code == 0
    mended.touch()
    shown = flowq_cli("retry", batch.id)
    assert "3 items of" in shown.output
    assert "6/6 · 6 ok" in shown.output
    assert "has no item that failed" in flowq_cli("retry", batch.id).output
    assert json.loads(flowq_cli("results", batch.id, "--json").output.splitlines()[1])["output"] == 1


def test_a_redrive_that_fails_again_is_exit_status_1_where_its_result_is_an_error(
    flowq_cli: Flowq, cluster: LocalCluster, tmp_path: Path
) -> None:
    batch = submit(nodes.UntilMended(str(tmp_path / "never")), range(6))
    assert batch.wait(20)
    assert flowq_cli("retry", batch.id).exit_code == 1
    assert batch.state().state == "succeeded", "all were run, whatever failed again"
    assert flowq_cli("watch", batch.id).exit_code == 1
    assert flowq_cli("watch", batch.id, "--json").exit_code == 1
    with pytest.raises(flowq.BatchError):
        batch.result()
    with pytest.raises(flowq.BatchError):
        list(batch.results())


def test_a_batch_is_paused_and_resumed(flowq_cli: Flowq, waiting: flowq.BatchHandle[Any]) -> None:
    assert "is paused" in flowq_cli("pause", waiting.id).output
    assert f"flowq resume {waiting.id}" in flowq_cli("retry", waiting.id).output
    assert json.loads(flowq_cli("resume", waiting.id, "--json").output)["state"] == "running"


def test_ctrl_c_leaves_a_batch_running_and_a_second_one_cancels_it(
    cluster: LocalCluster, waiting: flowq.BatchHandle[Any], folder: Path
) -> None:
    first, second = (
        Command(folder, "watch", waiting.id, "--progress", "lines", FLOWQ_BROKER_URL=cluster.broker_url)
        for _ in range(2)
    )
    first.says(f"batch {waiting.id}")
    second.says(f"batch {waiting.id}")
    first.press_ctrl_c()
    first.says("Ctrl-C again, now, cancels it")
    assert first.status() == 130
    assert f"Come back with flowq watch {waiting.id}" in first.text
    assert waiting.state().state == "running"
    second.press_ctrl_c()
    second.says("Ctrl-C again, now, cancels it")
    second.press_ctrl_c()
    assert second.status() == 130
    assert f"{waiting.id} was cancelled" in second.text
    assert waiting.state().state == "cancelled"


def test_ctrl_c_in_run_leaves_the_batch_to_the_fleet(cluster: LocalCluster, flowq_cli: Flowq, folder: Path) -> None:
    command = Command(folder, "run", "sums:sleepy", "--progress", "lines", FLOWQ_BROKER_URL=cluster.broker_url)
    command.says("batch sleepyfromstore-")
    command.press_ctrl_c()
    assert command.status() == 130
    assert "Come back with flowq watch sleepyfromstore-" in command.text
    assert "Traceback" not in command.text
    newest = json.loads(flowq_cli("ls", "--json", "-n", "1").output)[0]
    assert (newest["label"], newest["state"]) == ("SleepyFromStore", "running")
    flowq_cli("cancel", newest["id"])


def test_a_local_run_is_kept_in_the_folder_until_it_is_mended(tmp_path: Path) -> None:
    init = CliRunner().invoke(main, ["init", str(tmp_path / "new"), "--name", "words", "--json"])
    assert len(json.loads(init.output)["written"]) == 4
    folder = tmp_path / "new"
    ran = Command(folder, "run", "words:flow", "--local", "--limit", "20", "--progress", "lines")
    assert ran.status() == 0, ran.text
    assert "3 of 20 items failed" in ran.text
    source = (folder / "words.py").read_text()
    (folder / "words.py").write_text(source.replace("len(words) == 5", "not words"))
    retried = Command(folder, "retry")
    assert retried.status() == 0, retried.text
    assert "20/20 · 20 ok" in retried.text
    assert [path.name for path in folder.glob(".flowq/*") if path.suffix == ".json"] == ["imports.json"]


def test_init_writes_over_nothing(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    again = CliRunner().invoke(main, ["init", str(tmp_path)])
    assert again.exit_code == 2
    assert "README.md exists: nothing was written" in again.output
    assert [path.name for path in tmp_path.iterdir()] == ["README.md"]
    assert CliRunner().invoke(main, ["init", str(tmp_path), "--name", "Not-A-Module"]).exit_code == 2


def test_gc_removes_what_belongs_to_nothing_and_leaves_the_rest(redis_server: EmbeddedRedis) -> None:
    connections = Connections(Settings(broker_url=redis_server.url, prefix="remains"))
    redis, keys = connections.redis, connections.keys
    redis.hset(keys.of("lost-1", "out"), "0:0-1~0", "blob")
    redis.set(keys.blob("store-1", "hash"), "blob", px=60_000)
    redis.hset(keys.meta("running-1"), mapping={"state": "running"})
    redis.hset(keys.meta("ended-1"), mapping={"state": "succeeded", "closed_ms": 1, "retention_ms": 5000})
    redis.zadd(keys.catalog, {"batch:lost-1": 1, "batch:running-1": 2})
    cleaner = Cleaner(connections)
    found = cleaner.find()
    assert (found.keys, found.unlimited) == ([keys.of("lost-1", "out")], [keys.meta("ended-1")])
    assert cleaner.remove(found) == 1
    assert redis.pttl(keys.meta("ended-1")) > 0
    assert redis.exists(keys.meta("running-1"), keys.blob("store-1", "hash")) == 2
    assert redis.zrange(keys.catalog, 0, -1) == [b"batch:running-1"]
    assert cleaner.find(older_than_s=60).ended == ["ended-1"]
    connections.close()


def test_gc_leaves_what_only_another_flowq_can_read_and_all_that_it_may_refer_to(redis_server: EmbeddedRedis) -> None:
    connections = Connections(Settings(broker_url=redis_server.url, prefix="skewed"))
    redis, keys = connections.redis, connections.keys
    ended = {"state": "succeeded", "closed_ms": 1}
    redis.hset(keys.meta("newer-1"), mapping={**ended, "v": 99, "header": b"who knows"})
    redis.hset(keys.meta("ended-1"), mapping=ended)
    redis.set(keys.blob("ended-1", "hash"), "blob", px=60_000)
    cleaner = Cleaner(connections)
    found = cleaner.find(older_than_s=60)
    assert found.ended == ["ended-1"]
    assert cleaner.remove(found) == 1
    assert redis.exists(keys.meta("newer-1"), keys.blob("ended-1", "hash")) == 2
    connections.close()


def test_gc_removes_old_batches_when_it_is_told_to(flowq_cli: Flowq, cluster: LocalCluster) -> None:
    batch = submit(nodes.Square(), range(3))
    assert batch.wait(20)
    assert batch.result(20) == [0, 1, 4]
    assert f"{batch.id}: would be removed" in flowq_cli("gc", "--older-than", "0s", "--dry-run").output
    assert flowq_cli("gc", "--older-than", "1 fortnight").exit_code == 2
    assert json.loads(flowq_cli("gc", "--json", "--older-than", "1d").output)["ended_batches"] == []


def test_local_workers_consume_the_queues_that_are_named(folder: Path) -> None:
    lost = Command(folder, "run", "sums:elsewhere", "--local")
    lost.says("no worker consumes queue 'gpu' yet: the batch waits for one (`-Q flowq,gpu` of this command)")
    until(lambda: "fromstore-" in CliRunner().invoke(main, ["ls"]).output, 20, "it is submitted")
    lost.press_ctrl_c()
    assert lost.status() == 130
    again = Command(folder, "retry")
    assert again.status() == 0, again.text
    found = Command(folder, "run", "sums:elsewhere", "--local", "-Q", "flowq, gpu")
    assert found.status() == 0, found.text
    assert "no worker consumes" not in found.text
