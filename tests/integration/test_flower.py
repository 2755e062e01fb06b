"""What people see of batches and items in Flower: a real one, started by `flowq flower`, asked over HTTP."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import nodes
from tests.features import functions
from tests.flower import Flower
from tests.waiting import until

ENDED = {"SUCCESS", "FAILURE"}


@pytest.fixture(scope="module")
def flower(session_cluster: flowq.LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flower]:
    flower = Flower(session_cluster.broker_url, tmp_path_factory.mktemp("flower") / "log")
    yield flower
    flower.end()


def test_it_stops_when_told_though_its_redis_is_gone(tmp_path: Path) -> None:
    with flowq.LocalCluster(slots=1, workers=1) as cluster:
        flower = Flower(cluster.broker_url, tmp_path / "log")
        cluster.redis.kill()
        # By its second try to read events it has also sent the workers something, which waits until Redis is back.
        until(lambda: "trying again in 2 seconds" in flower.log(), 20, "Flower tries again")
        assert flower.end() == 0


def several(flower: Flower, search: str, n: int, wanted: Callable[[dict[str, Any]], bool]) -> list[dict[str, Any]]:
    """The tasks that *search* finds and that were *wanted* at some time, as soon as there are *n*."""
    found: dict[str, dict[str, Any]] = {}

    def enough() -> bool:
        found.update({one["uuid"]: one for one in flower.tasks(search) if wanted(one)})
        return len(found) >= n

    until(enough, 15, f"{n} tasks")
    return list(found.values())


@pytest.mark.parametrize(
    "path", ["/", "/workers", "/tasks", "/tasks/datatable", "/api/tasks", "/api/workers", "/broker"]
)
def test_nobody_sees_anything_without_the_password(flower: Flower, path: str) -> None:
    assert flower.url.startswith("http://127.0.0.1:")
    assert flower.status(path, user="") == 401
    assert flower.status(path, password="guessed") == 401


def test_the_worker_and_its_figures_are_listed(flower: Flower) -> None:
    assert [name.partition("@")[0] for name in flower.workers()] == ["local-1"]
    until(lambda: "local-1@" in flower.get("/workers"), 10, "the worker stands in the page")


def test_a_running_batch_is_found_by_its_name(flower: Flower, cluster: flowq.LocalCluster) -> None:
    batch = nodes.Slow(0.5).submit(range(6), label="nightly import")
    running = several(flower, "nightly", 1, lambda one: one["state"] == "STARTED")
    assert running[0]["name"] == "Slow"
    assert running[0]["args"].startswith("nightly import · item ")
    assert running[0]["kwargs"] == batch.id
    assert batch.wait(20)
    # Slow items are tasks of their own, each with its time.
    ended = several(flower, "nightly", 6, lambda one: one["name"] == "Slow" and one["state"] in ENDED)
    assert {one["result"] for one in ended} == {"1 item"}
    assert "nightly import · item" in html.unescape(flower.get(f"/task/{running[0]['uuid']}"))


def test_an_item_says_how_far_it_is(flower: Flower, cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    batch = functions.Reports().submit([str(gate)], label="climbing")
    shown = several(flower, "climbing", 1, lambda one: str(one["result"]).endswith("/4"))
    assert re.fullmatch(r"item 0: [12]/4", shown[0]["result"])
    gate.touch()
    assert batch.wait(20)


def test_a_chunk_shows_its_figures_under_the_names_of_flow_and_node(
    flower: Flower, cluster: flowq.LocalCluster
) -> None:
    fails = nodes.FailsOn(list(range(0, 100, 10)), on_error="collect", chunk_size=50, label="figures")
    flowq.Flow(start=fails, name="Nightly").run({"count": 100})
    # A chunk gives back what takes it too long: there are two at least, and together they say it all.
    until(lambda: figures(flower.tasks("figures")) == (100, 10), 15, "the figures of all chunks")
    chunks = [one for one in flower.tasks("figures") if one["name"] == "Nightly.FailsOn"]
    assert "figures · items 0–49" in {one["args"] for one in chunks}


def figures(tasks: list[dict[str, Any]]) -> tuple[int, int]:
    """The items and the failures that the results of chunks speak of."""
    said = [re.fullmatch(r"(\d+) items?(?:, (\d+) failed)?", str(one["result"])) for one in tasks]
    return sum(int(one[1]) for one in said if one), sum(int(one[2] or 0) for one in said if one)


def test_a_failed_item_is_found_with_its_traceback(flower: Flower, cluster: flowq.LocalCluster) -> None:
    batch = nodes.FailsOn([13], on_error="collect").submit(range(40), label="unlucky")
    assert batch.wait(20)
    failed = several(flower, "unlucky", 1, lambda one: one["state"] == "FAILURE")
    assert [one["uuid"] for one in failed] == [f"{batch.id}.13"]
    assert (failed[0]["name"], failed[0]["args"]) == ("FailsOn item", "unlucky · item 13")
    page = html.unescape(flower.get(f"/task/{batch.id}.13"))
    assert "Traceback (most recent call last)" in page
    assert "tests/nodes.py" in page
    assert "in node FailsOn, item 13, attempt 1" in page


def test_with_item_events_every_item_of_a_chunk_is_a_task(flower: Flower, cluster: flowq.LocalCluster) -> None:
    node = nodes.FailsOn([3], on_error="collect", item_events=True, chunk_size=10, max_retries=2)
    batch = node.submit(range(20), label="each")
    assert batch.wait(20)
    ended = several(flower, "each", 20, lambda one: one["name"] == "FailsOn item" and one["state"] in ENDED)
    states = {one["args"]: one["state"] for one in ended}
    assert states == {f"each · item {i}": "FAILURE" if i == 3 else "SUCCESS" for i in range(20)}


def test_items_in_flight_together_are_tasks_of_their_own_while_they_run(
    flower: Flower, cluster: flowq.LocalCluster
) -> None:
    batch = nodes.AsyncSlow(1.0, item_events=True).submit(range(4), label="side by side")
    several(flower, "side", 4, lambda one: one["name"] == "AsyncSlow item" and one["state"] == "STARTED")
    assert batch.wait(20)
    several(flower, "side", 4, lambda one: one["result"] == "ok")


def test_no_label_of_flowers_metrics_holds_an_id(flower: Flower, cluster: flowq.LocalCluster) -> None:
    batch = nodes.Square(item_events=True).submit(range(3), label="counted")
    assert batch.wait(20)
    until(lambda: "Square item" in flower.get("/metrics"), 10, "it is counted")
    assert batch.id not in flower.get("/metrics")
