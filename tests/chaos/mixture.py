"""Work that uses many features at once, a thread for each piece of it; each is judged by whoever began it.

It outlives a Redis that is away or full, as a patient program would: what was not taken is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.core.store.merge import apply_delta
from flowq.engine.redis_client import REDIS_ERRORS
from tests import nested
from tests.chaos.exactness import assert_once_each, assert_values
from tests.chaos.witness import AsyncWitnessed, Troubled, Witnessed, fails, value_of
from tests.waiting import until

T = TypeVar("T")
Check = Callable[[], object]

N = 80
WITHIN_S = 60.0


def insisted(act: Callable[[], T]) -> T:
    """What *act* answers once Redis is there and has room."""

    def asked() -> tuple[T] | None:
        try:
            return (act(),)
        except (flowq.NoRedis, flowq.RedisFull, *REDIS_ERRORS):
            return None

    return until(asked, WITHIN_S, "Redis takes it")[0]


def sunk(executor: CeleryExecutor, path: str, key: str) -> Check:
    """A batch whose values go to files: in the end there are those that its result names, and no others."""
    node = Witnessed(path, 0.05, on_error="collect", sink=f"{path}.sunk", concurrency=3)
    handle = insisted(lambda: executor.submit(node.job((item for item in range(N)), key=key)))
    result: Any = insisted(lambda: handle.result(timeout=WITHIN_S))
    assert list(result) == [value_of(item) for item in range(N)]
    folder = Path(f"{path}.sunk") / handle.id
    named = {part.address for part in result.parts}
    return lambda: until(lambda: {str(one) for one in folder.iterdir()} == named, 10, "only its parts are there")


def cancelled(executor: CeleryExecutor, path: str, key: str) -> Check:
    """A batch with retries that are parked; it is cancelled half-way, and taken up again."""
    node = Troubled(path, 0.03, on_error="collect", max_retries=2, wait=1.5, rate="100/s")
    handle = insisted(lambda: executor.submit(node.job(range(N), key=key)))
    until(lambda: insisted(handle.progress).done > N // 4, WITHIN_S, "some of it is done")
    insisted(handle.cancel)
    while insisted(handle.state).done < N:
        insisted(handle.retry_failed)
        assert handle.wait(WITHIN_S)
    failed = [item for item in range(N) if fails(item)]
    result = insisted(lambda: handle.result(timeout=WITHIN_S))
    return lambda: assert_values(result, [value_of(item) for item in range(N)], failed)


def paused(executor: CeleryExecutor, path: str, key: str) -> Check:
    """An async batch that is read as it comes, and paused and resumed meanwhile."""
    node = AsyncWitnessed(path, 0.1, on_error="collect", in_flight=5)
    handle = insisted(lambda: executor.submit(node.job(range(N), key=key)))
    read = []
    for outcome in handle.as_completed():
        read.append((outcome.index, outcome.output))
        if len(read) in (N // 4, N // 2):
            insisted(handle.pause)
            insisted(handle.resume)
    assert sorted(read) == [(item, value_of(item)) for item in range(N)]
    return lambda: assert_values(handle.result(timeout=WITHIN_S), [value_of(item) for item in range(N)])


def towering(executor: CeleryExecutor, path: str, key: str) -> Check:
    """Batches in batches in a batch, whose changes are merged."""
    tower: Any = nested.tower(3, 3)
    job = tower.job([{"place": place} for place in range(3)], shared={"total": 0}, key=key)
    handle = insisted(lambda: executor.submit(job))
    result = insisted(lambda: handle.result(timeout=WITHIN_S))
    store: dict[str, Any] = {"total": 0}
    apply_delta(store, result.delta, tower.reducers)
    assert store["total"] == 9 * (0 + 1 + 4)
    return lambda: assert_once_each(executor.connections, handle.id, 3)


def approved(executor: CeleryExecutor, path: str, key: str) -> Check:
    """A run of steps with a batch between them that waits for an answer, and a fork of it that is given another."""
    notes = f"{path}.{key}"
    first, asks, last = nested.Step("one", notes, 0.1), nested.Approval(notes), nested.Step("two", notes)
    first >> nested.Squares(notes) >> asks
    for word in ("yes", "no"):
        asks - word >> last
    run = insisted(lambda: executor.submit_run(flowq.Flow(first), {"numbers": list(range(10))}, key, None))
    answer(run, "yes")
    kept = insisted(run.history)
    fork = insisted(lambda: run.resume(from_step=2, fork=True))
    answer(fork, "no")
    assert [step.node for step in kept][:4] == ["one", "Squares", "Approval", "two"]
    return lambda: run.history() == kept


def answer(run: Any, word: str) -> None:
    """Answer *run* once it asks, and judge how it ends."""
    until(lambda: insisted(run.awaits) == ["approval"], WITHIN_S, "it asks")
    insisted(lambda: run.send("approval", word))
    shared = insisted(lambda: dict(run.result(timeout=WITHIN_S).shared))
    assert (shared["marks"], shared["answers"]) == (["one", "two"], [word])
    assert shared["squares"] == [number * number for number in range(10)]


# Each goes through with its work, and answers what is to be looked at when all is over.
ALL: tuple[Callable[[CeleryExecutor, str, str], Check], ...] = (sunk, cancelled, paused, towering, approved)
