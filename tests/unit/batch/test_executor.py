"""Which executor is active, and who uses it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from flowq.batch import (
    BatchJob,
    BatchNode,
    BatchResult,
    Done,
    Handle,
    InlineExecutor,
    ParallelBatchNode,
    activate,
    active,
    deactivate,
)
from flowq.batch.executor import ActiveExecutor, activated
from flowq.core import Steps


class Elsewhere:
    """An executor that runs nothing and remembers its jobs."""

    def __init__(self) -> None:
        self.jobs: list[BatchJob] = []

    def execute(self, job: BatchJob) -> Steps[BatchResult[Any]]:
        self.jobs.append(job)
        return BatchResult.assemble([Done(0, ["elsewhere"])], 1)
        yield

    def submit(self, job: BatchJob) -> Handle[Any]:
        self.jobs.append(job)
        return InlineExecutor().submit(job)


class Local(BatchNode[Any, Any]):
    def exec(self, x: Any) -> Any:
        return "here"


class Parallel(ParallelBatchNode[Any, Any]):
    def exec(self, x: Any) -> Any:
        return "here"


@pytest.fixture
def elsewhere() -> Iterator[Elsewhere]:
    with activated(Elsewhere()) as executor:
        yield executor


def test_the_parallel_node_runs_where_the_active_executor_runs_it_and_the_local_one_here(elsewhere: Elsewhere) -> None:
    assert Parallel().map([1]) == ["elsewhere"]
    assert Local().map([1]) == ["here"]
    assert len(elsewhere.jobs) == 1


def test_submit_goes_through_the_active_executor(elsewhere: Elsewhere) -> None:
    handle = Parallel(label="pages").submit([1, 2], key="k", limit=1)
    assert handle.wait(10)
    (job,) = elsewhere.jobs
    assert (job.key, job.label, job.limit, job.shared) == ("k", "pages", 1, None)


def test_the_executor_activated_last_is_active_until_it_is_deactivated(elsewhere: Elsewhere) -> None:
    other = Elsewhere()
    activate(other)
    assert active() is other
    deactivate(elsewhere)
    assert active() is other
    deactivate(other)
    assert active() is not elsewhere
    deactivate(other)


def test_the_default_is_made_once_and_only_when_needed() -> None:
    made: list[Elsewhere] = []

    def make() -> Elsewhere:
        made.append(Elsewhere())
        return made[-1]

    stack = ActiveExecutor()
    stack.set_default(make)
    assert made == []
    assert stack.get() is stack.get() is made[0]
