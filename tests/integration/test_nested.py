"""Batches within batches: nothing waits in a worker, whatever the depth, and the results are those of one process."""

from __future__ import annotations

from typing import Any

import flowq
from tests import nested


def inline(flow: flowq.Node[Any, Any], shared: dict[str, Any]) -> dict[str, Any]:
    flowq.activate(executor := flowq.InlineExecutor())
    try:
        flow.run(shared)
    finally:
        flowq.deactivate(executor)
    return shared


def test_four_levels_of_four_finish_on_one_slot() -> None:
    with flowq.LocalCluster(slots=1, workers=1, imports=["tests.nested"]):
        shared: dict[str, Any] = {}
        nested.tower(4, 4).run(shared)
    assert shared == inline(nested.tower(4, 4), {})
    assert shared["total"] == 64 * sum(i * i for i in range(4))
