"""Rows 84 to 88: a flow over many params, each item on its own view of the store."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import nodes
from tests.features import functions

pytestmark = pytest.mark.filterwarnings("ignore:Flow ends")


def test_row_084_a_flow_runs_once_per_dict_of_params_and_the_items_own_win(executor: str) -> None:
    flow = nodes.count_all()
    flow.set_params({"n": 99, "more": 1})
    shared: dict[str, Any] = {"base": 10, "count": 3, "log": []}
    flow.run(shared)
    assert shared["found"] == [10, 11, 12]


def test_row_085_runs_side_by_side_under_a_concurrency(inline: None) -> None:
    gate = threading.Barrier(3)

    class Meets(flowq.Node):
        def exec(self, prep_res: Any) -> None:
            gate.wait(20)

    class All(flowq.BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{"n": n} for n in range(3)]

    All(start=Meets(), concurrency=3).run({})


def test_row_086_an_items_writes_are_its_own_until_they_are_merged(executor: str) -> None:
    shared: dict[str, Any] = {"base": 10, "count": 30, "log": ["before"]}
    nodes.count_all(in_flight=4).run(shared)
    assert shared["found"] == [10 + n for n in range(30)]
    assert shared["by_n"] == {f"n{n}": 10 + n for n in range(30)}
    assert shared["log"] == ["before", *range(0, 30, 2)]
    with pytest.raises(flowq.MergeConflict, match="winner"):
        nodes.CountAll(start=nodes.Quarrel()).run({"count": 3})


@pytest.mark.parametrize("top", ["Max", functions.larger], ids=["built-in reducers", "one of the user's"])
def test_row_086_changes_of_many_items_go_together_in_item_order(executor: str, top: Any) -> None:
    flow = functions.Tallies(merge={"hits": "Add", "top": top})
    ended = [n for n in range(2000) if n % 7 != 5]
    for _ in range(2):  # the second time in chunks of many items
        shared: dict[str, Any] = {"log": ["before"], "hits": 5, "top": 0}
        flow.run(shared)
        assert shared == {
            "log": ["before", *ended],
            "by_n": {n: {"twice": 2 * n} for n in ended},
            "hits": 5 + len(ended),
            "top": 999,
            "who": "everybody",
        }


async def test_row_086_a_pause_between_a_write_and_a_read_mixes_nothing_up(inline: None) -> None:
    class Writes(flowq.Node):
        async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["mine"] = self.params["n"]
            await asyncio.sleep(0)

    class Reads(flowq.Node):
        async def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared.setdefault("read", {})[self.params["n"]] = shared.pop("mine")

    class All(flowq.BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{"n": n} for n in range(6)]

    first = Writes()
    first >> Reads()
    shared: dict[str, Any] = {}
    await All(start=first).run_async(shared)
    assert shared == {"read": {n: n for n in range(6)}}


def test_row_087_an_items_value_is_its_last_action_or_a_key_of_its_store(executor: str) -> None:
    assert nodes.count_all().map([{"n": 1}], on_error="collect").errors, "there is no store beneath map"
    functions.Collected().run(shared := {"base": 1, "count": 4})
    assert shared["values"] == ["odd", "even", "odd", "even"]
    functions.Collected(collect="found").run(shared := {"base": 1, "count": 3})
    assert shared["values"] == [[1], [2], [3]]


@pytest.mark.parametrize("count", [1, 3, 200])
def test_row_087_values_of_the_collected_key_are_no_conflict_and_the_last_one_stays(executor: str, count: int) -> None:
    functions.Collected(functions.Scored(), collect="score").run(shared := {"named": False, "count": count})
    assert shared == {
        "named": False, "count": count, "values": [n / 2 for n in range(count)], "score": (count - 1) / 2
    }  # fmt: skip
    functions.Collected(functions.Scored(), collect="score").run(shared := {"named": True, "count": count})
    assert shared["values"] == [{"of": n, "by": "Scored"} for n in range(count)]
    assert shared["score"] == {"of": count - 1, "by": "Scored"}


def test_row_087_other_keys_contradict_each_other_as_without_it(executor: str) -> None:
    with pytest.raises(flowq.MergeConflict, match=r"shared\['score'\]"):
        functions.Collected(functions.Scored(), collect="named").run({"named": False, "count": 2})


def test_row_088_params_accumulate_through_levels(executor: str) -> None:
    shared: dict[str, Any] = {}
    functions.outer().run(shared)
    assert shared == {"seen": [(a, b) for a in range(3) for b in range(2)]}


class Watched(flowq.ParallelBatchNode[int, int]):
    """Counts how many items run at once, over all batches of this class."""

    lock, running, peak = threading.Lock(), 0, 0

    def prep(self, shared: Any) -> Any:
        return range(8)

    def exec(self, item: int) -> int:
        with Watched.lock:
            Watched.running += 1
            Watched.peak = max(Watched.peak, Watched.running)
        time.sleep(0.02)
        with Watched.lock:
            Watched.running -= 1
        return item


@pytest.mark.parametrize(("items", "outer", "inner", "peak"), [(8, 4, 4, 4), (2, 4, 4, 4), (3, 1, 4, 1), (1, 4, 8, 4)])
def test_row_088_one_budget_holds_for_a_batch_and_those_inside_it(
    inline: None, items: int, outer: int, inner: int, peak: int
) -> None:
    class Outer(flowq.BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{"n": n} for n in range(items)]

    Watched.peak = 0
    Outer(start=Watched(concurrency=inner), concurrency=outer).run({})
    assert 1 <= Watched.peak <= peak
    if outer > 1:
        assert Watched.peak >= 2


def test_row_088_without_a_concurrency_around_it_a_nested_batch_takes_its_own(inline: None) -> None:
    class Outer(flowq.BatchFlow):
        def prep(self, shared: Any) -> Any:
            return [{}]

    Watched.peak = 0
    Outer(start=Watched(concurrency=4)).run({})
    assert Watched.peak == 4


def test_row_088_the_budget_holds_on_workers_too(cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "log"
    functions.Around(start=functions.LogsInside(str(path), concurrency=3), concurrency=2).run({})
    runs = [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
    assert len(runs) == 30
    running = peak = 0
    for _, step in sorted([(began, 1) for began, _ in runs] + [(ended, -1) for _, ended in runs]):
        running += step
        peak = max(peak, running)
    assert peak <= 2
