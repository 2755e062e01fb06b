"""What the workloads ask for and what they expect, by a system that does it all in this process."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from benchmarks import work
from benchmarks.peers import sets
from benchmarks.systems.system import CannotRun, System
from benchmarks.workloads import SKEWED, WORKLOADS, Workload


class Here(System):
    """Runs everything at once, and keeps what it was asked."""

    name = "here"
    setting = "none"

    def start(self, redis_url: str, slots: int) -> None: ...

    def stop(self) -> None: ...

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        assert function != "nap" or len(items) < 100
        return [item if function == "nap" else getattr(work, function)(item) for item in items]

    chunks = map

    def awaits(self, seconds: Sequence[float], in_flight: int) -> None:
        assert set(seconds) == {0.05}
        assert in_flight in (200, 2000)

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        return [work.weigh(store, item) for item in items]

    def nested(self, groups: Sequence[Sequence[float]]) -> list[list[float]]:
        return [list(group) for group in groups]


@pytest.mark.parametrize("workload", WORKLOADS, ids=lambda one: one.key)
def test_the_values_that_are_expected_are_those_of_the_work(workload: Workload) -> None:
    items = max(1, workload.items // 1000) if workload.items >= 1000 else min(4, workload.items)
    for way in {*workload.ways, workload.ours}:
        ask = workload.ask(items, way)
        assert ask.run(Here()) == ask.expected


def test_a_store_can_be_left_out() -> None:
    (stored,) = (one for one in WORKLOADS if one.key == "W4-1MiB")
    assert stored.ask(3, "").expected == [2**20, 2**20 + 1, 2**20 + 2]
    assert stored.ask(3, "bare").expected == [0, 1, 2]


def test_what_loops_return_is_known_without_doing_each() -> None:
    numbers = [5, 0, 77, 5, 1]
    assert work.burned(numbers) == {loops: work.burn(loops) for loops in numbers}


def test_the_skewed_items_are_the_same_every_time_and_within_their_bounds() -> None:
    assert sum(SKEWED) == pytest.approx(14.0, abs=0.1)
    assert 0.0001 <= min(SKEWED) < max(SKEWED) <= 2.0


def test_what_a_system_does_not_have_it_cannot_run() -> None:
    class Bare(Here):
        chunks, awaits, with_store, nested = System.chunks, System.awaits, System.with_store, System.nested

    asked = [lambda: Bare().chunks("noop", [1]), lambda: Bare().awaits([0.05], 1), lambda: Bare().with_store("", [1]),
             lambda: Bare().nested([])]  # fmt: skip
    for ask in asked:
        with pytest.raises(CannotRun):
            ask()


def test_sets_are_chosen_by_peer_and_by_how_a_workload_begins() -> None:
    chosen = [(workload.key, rivals) for workload, rivals in sets(["group"], ["W1-10k", "W5"])]
    assert chosen == [
        ("W1-10k", [("group", "map"), ("group", "chunks")]), ("W5-1", [("group", "")]), ("W5-10", [("group", "")]),
    ]  # fmt: skip


def test_each_peer_is_in_one_set_of_its_workload() -> None:
    found = [(workload.key, *rival) for workload, rivals in sets([], ["W5", "W8"]) for rival in rivals]
    of_ten = {peer for workload in WORKLOADS if workload.key == "W5-10" for peer in workload.peers}
    assert len(found) == len(set(found)) == 2 * len(of_ten) + 1


def test_chunks_are_left_out_where_a_system_has_none() -> None:
    assert {way for _, rivals in sets(["chord"], ["W1", "W3"]) for _, way in rivals} == {"map"}
