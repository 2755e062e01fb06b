"""Flows of PocketFlow's classes with a step on workers in them, and whole ones on workers."""

from __future__ import annotations

import pytest

import flowq
from flowq.compat import pocketflow
from tests.features.graphs import (
    AsyncPocketBatch,
    AsyncPocketSays,
    PocketBatch,
    PocketSays,
    Squares,
    once,
)


def graph(kind: type[pocketflow.Flow]) -> flowq.Node:
    """A step of many items within a nested flow, PocketFlow's nodes before and behind it."""
    first, squares = PocketSays(), Squares()
    first - "on" >> squares
    inner = kind(start=first)
    inner >> (AsyncPocketSays() if kind is pocketflow.AsyncFlow else PocketSays())
    return inner


async def test_a_step_of_a_flow_of_pocketflow_runs_on_workers(executor: str) -> None:
    shared = {"n": 4}
    await pocketflow.AsyncFlow(start=graph(pocketflow.AsyncFlow)).run_async(shared)
    assert shared == {"n": 4, "squares": [0, 1, 4, 9], "said": ["PocketSays", "AsyncPocketSays"]}


@pytest.mark.parametrize("kind", [pocketflow.Flow, pocketflow.AsyncFlow])
def test_a_whole_flow_of_pocketflow_runs_on_a_worker_and_waits_there_without_a_slot(
    executor: str, kind: type[pocketflow.Flow]
) -> None:
    shared = once(graph(kind), {"n": 4})
    assert shared["squares"] == [0, 1, 4, 9]
    assert shared["said"][0] == "PocketSays"
    assert len(shared["said"]) == 2


@pytest.mark.parametrize("kind", [PocketBatch, AsyncPocketBatch])
def test_a_batch_flow_of_pocketflow_is_one_step_on_a_worker(executor: str, kind: type[pocketflow.BatchFlow]) -> None:
    says = PocketSays() if kind is PocketBatch else AsyncPocketSays()
    assert once(kind(start=says), {})["said"] == [f"{type(says).__name__} {n}" for n in (1, 2)]
