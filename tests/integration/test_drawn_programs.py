"""P8 by chance: programs drawn from a seed come to the same inline and on workers, run and submitted.

FLOWQ_PARITY_SEEDS sets how many; a failure names its seed.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from typing import Any

import pytest

import flowq
from flowq.batch.executor import activated
from flowq.batch.inline import InlineExecutor
from tests.drawn import drawn_batch, drawn_flow

SEEDS = int(os.environ.get("FLOWQ_PARITY_SEEDS", "25"))


def mapped(seed: int) -> Any:
    node = drawn_batch(random.Random(seed))
    return shape(node.map(node.prep({})))


def handled(seed: int) -> Any:
    node = drawn_batch(random.Random(seed))
    handle = node.submit(node.prep({}))
    return shape(handle.result(timeout=20)), [(one.index, one.status) for one in handle.outcomes()]


def shape(result: flowq.BatchResult[Any]) -> Any:
    """Everything of a result that must not depend on where it ran, with its types."""
    stats = result.stats()
    outcomes = [
        (one.index, one.status, one.output, one.attempts, type(one.error), one.error_text, notes_of(one.error))
        for one in result.items
    ]
    return repr((list(result), outcomes, stats.n, stats.ok, stats.fallback, stats.failed, stats.retried))


def notes_of(error: Exception | None) -> Any:
    return getattr(error, "__notes__", None)


def ran(seed: int) -> Any:
    shared: dict[str, Any] = {"count": 5, "log": ["before"]}
    action = drawn_flow(random.Random(seed)).run(shared)
    return action, repr(shared)


def submitted(seed: int) -> Any:
    run = drawn_flow(random.Random(seed)).submit({"count": 5, "log": ["before"]})
    result = run.result(timeout=20)
    return result.action, repr(dict(result.shared)), [(one.number, one.node, one.action) for one in run.history()]


@pytest.mark.filterwarnings("ignore:Flow ends")
@pytest.mark.parametrize("how", [mapped, handled, ran, submitted])
def test_a_drawn_program_comes_to_the_same_inline_and_on_workers(
    cluster: flowq.LocalCluster, how: Callable[[int], Any]
) -> None:
    for seed in range(SEEDS):
        on_workers = how(seed)
        with activated(InlineExecutor()):
            assert how(seed) == on_workers, f"seed {seed}"
