"""Rows 81 and 82: hooks and events, here and in the processes that run a batch's items."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import flowq
from tests.features.graphs import Once
from tests.features.nodes import Flaky, Ledger


def test_row_081_hooks_are_told_of_nodes_here_and_of_items_where_they_run(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    flow = flowq.Flow(start=Flaky(max_retries=2, on_error="collect"), hooks=[Ledger(str(path))])
    flow.run({})
    lines = path.read_text().splitlines()
    there = executor == "workers"
    of_items = sorted(line for line in lines if line.startswith("item"))
    assert of_items == sorted(
        [f"item_start Flow/Flaky {n} 0 {there}" for n in range(5)]
        + [f"item_retry Flow/Flaky {n} 0 {there}" for n in (1, 3, 4)]
        + [f"item_end Flow/Flaky {n} {n % 2} {there}" for n in range(4)]
        + [f"item_error Flow/Flaky 4 1 {there}"]
    )
    assert [line for line in lines if line.startswith("node")] == [
        "node_start Flow/Flaky None None False",
        "node_end Flow/Flaky None None False",
    ]


def test_row_081_a_hook_whose_fields_cannot_travel_is_named(cluster: flowq.LocalCluster) -> None:
    with pytest.raises(flowq.CannotTravel, match=r"hook 1 of node Flaky.*open file"), Path(__file__).open() as file:
        flowq.Flow(start=Flaky(), hooks=[Ledger(file)]).run({})  # type: ignore[arg-type]


def test_row_081_a_hook_that_cannot_travel_is_told_of_what_happens_here(executor: str) -> None:
    events: list[flowq.Event] = []
    flow = flowq.Flow(start=Flaky(max_retries=2, on_error="collect"), hooks=[events.append])
    flow.run({})
    kinds = [event.kind for event in events if executor == "workers" or not event.kind.startswith("item")]
    assert kinds == ["run_start", "node_start", "node_end", "run_end"]


async def test_row_082_the_events_of_a_run_are_a_stream(executor: str) -> None:
    flow = flowq.Flow(start=Flaky(max_retries=2, on_error="collect"))
    shared: dict[str, Any] = {}
    kinds = [event.kind async for event in flow.stream(shared)]
    assert (kinds[0], kinds[-1]) == ("run_start", "run_end")
    assert kinds.count("item_end") == (0 if executor == "workers" else 4)


def test_row_082_a_stream_is_read_without_an_event_loop_as_well(executor: str) -> None:
    flow = flowq.Flow(start=Flaky(max_retries=2, on_error="collect"))
    kinds = [event.kind for event in flow.stream({}) if event.kind.startswith("node")]
    assert kinds == ["node_start", "node_end"]


def test_row_081_what_is_left_while_its_batch_runs_begins_once(executor: str, tmp_path: Path) -> None:
    path = tmp_path / "events"
    inner = flowq.Flow(start=Flaky(max_retries=2, on_error="collect"), name="Inner")
    each = Once(start=Flaky(max_retries=2, on_error="collect"))
    inner >> each
    flowq.Flow(start=inner, hooks=[Ledger(str(path))]).submit({}).result(timeout=20)
    lines = [line.split()[:2] for line in path.read_text().splitlines()]
    starts = [where for kind, where in lines if kind == "node_start"]
    assert starts == ["Flow", "Flow/Inner", "Flow/Inner/Flaky", "Flow/Once", "Flow/Once/Flaky"]
    assert [where for kind, where in lines if kind == "item_start"].count("Flow/Once") == 1
