"""P8 by chance: programs drawn from a seed come to the same inline and on workers: run, submitted, read, run again.

FLOWQ_PARITY_SEEDS sets how many; a failure names its seed.
"""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

import flowq
from flowq.batch.executor import activated
from flowq.batch.inline.executor import InlineExecutor
from tests.drawn import drawn_batch, drawn_flow, drawn_mending, drawn_steps
from tests.nodes import Refused

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


def told(ask: Callable[[], Any]) -> Any:
    """What is answered, or raised."""
    try:
        return ask()
    except (flowq.FlowqError, Refused, ExceptionGroup) as error:
        if isinstance(error, flowq.CircuitOpen):  # it says for how long
            return type(error)
        # A run of workers keeps a thousand steps, and says so.
        text = re.sub(r"\b[\w-]+-[0-9a-f]{10}\b|, and it keeps a thousand", "", f"{error} {notes_of(error)}")
        return type(error), text


def as_left(outcome: flowq.Outcome) -> Any:
    text = "" if isinstance(outcome.error, flowq.CircuitOpen) else outcome.error_text
    return outcome.index, outcome.status, repr(outcome.output), outcome.attempts, text


READS: dict[str, Callable[[Any], Any]] = {
    "result": lambda handle: [as_left(one) for one in handle.result(timeout=20).items],
    "values": lambda handle: repr(list(handle.result(timeout=20))),
    "results": lambda handle: [repr(value) for value in handle.results()],
    "as completed": lambda handle: sorted(as_left(one) for one in handle.as_completed()),
    "some": lambda handle: repr(next(handle.results(), None)),
    "outcomes": lambda handle: handle.wait(20) and [(*as_left(one), one.key) for one in handle.outcomes(inputs=True)],
    "failures": lambda handle: handle.wait(20) and [(*as_left(one), one.input) for one in handle.failures()],
    "again": lambda handle: handle.wait(20) and handle.retry_failed().wait(20),
    "result again": lambda handle: [as_left(one) for one in handle.result(timeout=20).retry_failed().items],
    "freed": lambda handle: [repr(value) for value in handle.results(free=True)],
    "progress": lambda handle: handle.wait(20) and standing(handle.progress()),
}


def standing(progress: flowq.Progress) -> Any:
    return progress.state, progress.total, progress.done, progress.ok, progress.fallback, progress.failed


def read(seed: int) -> Any:
    draw = random.Random(seed)
    with TemporaryDirectory() as folder:
        node = drawn_mending(draw, folder)
        reads = draw.choices(list(READS), k=5)
        if "freed" in reads:  # what a redrive leaves of that is another matter
            reads = [one for one in reads if "again" not in one]
        handle = node.submit(range(node.n))
        brought = [(one, told(lambda one=one: READS[one](handle))) for one in reads]  # type: ignore[misc]
        told(lambda: handle.wait(20))
        return brought, {one.name: one.stat().st_size for one in Path(folder).glob("item *")}


def taken_up(seed: int) -> Any:
    draw = random.Random(seed)
    with TemporaryDirectory() as folder:
        run = drawn_steps(draw, folder).submit({"log": []})
        brought = [told(lambda: came_to(run))]
        for step in draw.choices([None, None, 0, 1, 2, 9], k=3):
            fork = draw.random() < 0.3
            brought.append(told(lambda: came_to(run.resume(step, fork=fork), with_steps=not fork)))  # noqa: B023
        return brought


def came_to(run: flowq.Run, *, with_steps: bool = True) -> Any:
    result = run.result(timeout=20)
    return run.status, result.action, repr(dict(result.shared)), [one.node for one in result.steps if with_steps]


@pytest.mark.filterwarnings("ignore:Flow ends")
@pytest.mark.parametrize("how", [mapped, handled, read, ran, submitted, taken_up])
def test_a_drawn_program_comes_to_the_same_inline_and_on_workers(
    cluster: flowq.LocalCluster, how: Callable[[int], Any]
) -> None:
    for seed in range(SEEDS):
        on_workers = how(seed)
        with activated(InlineExecutor()):
            assert how(seed) == on_workers, f"seed {seed}"
