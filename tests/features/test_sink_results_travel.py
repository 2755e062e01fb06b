"""The result of a batch with a sink stays what it is where it is put into a store: the same inline and on workers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import flowq
from flowq.codec import dumps, loads
from flowq.core.spec.canonical import canonical
from tests import sinking

SQUARES = [0, 1, 4, None, 16, 25, 36]


@pytest.fixture
def picks(tmp_path: Path) -> sinking.Picks:
    return sinking.Picks(on_error="collect", sink=str(tmp_path))


def flow_of(first: Any, *more: Any) -> flowq.Flow:
    last = first
    for node in more:
        last = last >> node
    return flowq.Flow(first)


def test_a_later_node_and_who_waits_read_it(executor: str, picks: sinking.Picks, tmp_path: Path) -> None:
    shared = flow_of(picks, sinking.Reads()).submit({}).result(30).shared
    found, seen = shared["found"], shared["seen"]
    assert isinstance(found, flowq.SinkResult)
    assert sinking.seen_in(found) == seen
    assert seen["values"] == SQUARES
    assert seen["errors"] == {3: "ValueError: not three"}
    assert seen["counts"] == (7, 6, 1, 0, 0, 0)
    assert sum(part.n for part in found.parts) == 6
    assert all(Path(part.address).is_relative_to(tmp_path) for part in found.parts)


def test_it_tells_the_same_as_the_result_that_never_left(executor: str, picks: sinking.Picks) -> None:
    shared: dict[str, Any] = {}
    flow = flow_of(picks, sinking.Reads())
    flow.run(shared)
    there = flow.submit({}).result(30).shared["seen"]
    alike = {name: shared["seen"][name] for name in ("type", "values", "len", "outcomes", "errors", "counts", "ended")}
    assert {name: there[name] for name in alike} == alike


def test_items_read_it_out_of_the_store_around_them_and_change_nothing(executor: str, picks: sinking.Picks) -> None:
    shared = flow_of(picks, sinking.ReadsInItems()).submit({}).result(30).shared
    assert [one["values"] for one in shared["by_items"]] == [SQUARES, SQUARES]
    assert list(shared["found"]) == SQUARES


def test_items_put_theirs_into_their_stores(executor: str, tmp_path: Path) -> None:
    shared = flow_of(sinking.PicksInItems(str(tmp_path))).submit({}).result(30).shared
    assert [list(shared[f"found{place}"]) for place in (0, 1)] == [SQUARES, SQUARES]
    assert [set(shared[f"found{place}"].errors) for place in (0, 1)] == [{3}, {3}]


def test_under_skip_it_leaves_out_what_failed(executor: str, tmp_path: Path) -> None:
    node = sinking.Picks(on_error="skip", sink=str(tmp_path))
    seen = flow_of(node, sinking.Reads()).submit({}).result(30).shared["seen"]
    assert (seen["len"], seen["values"]) == (6, [0, 1, 4, 16, 25, 36])


def test_what_travels_are_addresses_and_counts_and_neither_values_nor_items(inline: None, tmp_path: Path) -> None:
    result: Any = sinking.Twice(sink=str(tmp_path)).map(["x" * 1000] * 2000)
    data = dumps(result)
    assert len(data) < 3000
    again = loads(data)
    assert again == result
    assert canonical(again) == canonical(result)
    assert (len(again), again.stats().n, again.label) == (2000, 2000, result.label)
    assert list(again) == list(result)


def test_far_from_its_items_it_says_that_they_cannot_be_run_again(executor: str, picks: sinking.Picks) -> None:
    found = loads(dumps(flow_of(picks).submit({}).result(30).shared["found"]))
    with pytest.raises(ValueError, match="does not hold its items any more: run the batch again from its source"):
        found.retry_failed()


@pytest.mark.parametrize("n", [-1, 2**40, "7", None])
def test_a_message_that_says_nonsense_of_it_is_refused(inline: None, tmp_path: Path, n: Any) -> None:
    result: Any = sinking.Twice(sink=str(tmp_path)).map(["x"])
    plain = result.to_plain()
    result.to_plain = lambda: (n, *plain[1:])
    with pytest.raises(flowq.DecodeError):
        loads(dumps(result))
