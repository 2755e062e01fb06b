"""For how long one task may go on with a batch."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.app import CHUNK
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.engine.running.turn import Turn
from flowq.local import EmbeddedRedis
from flowq.worker.tasks import add_tasks
from tests.integration.engine.conftest import executor
from tests.nodes import Asks, Square


def submitted(producer: CeleryExecutor) -> None:
    producer.submit(Square().job(range(10)))


def test_it_lasts_where_no_other_batch_is_there(producer: CeleryExecutor) -> None:
    submitted(producer)
    assert Turn(producer.connections, 0.0).lasts()
    submitted(producer)
    assert not Turn(producer.connections, 0.0).lasts()


def test_it_lasts_beside_batches_that_rest(producer: CeleryExecutor, slot: Slot) -> None:
    run = producer.submit_run(flowq.Flow(start=Asks()), {}, None, None)
    run_chunk(slot, run.id, "0:0-1")
    submitted(producer)
    assert not Turn(producer.connections, 0.0).lasts(), "nobody has seen yet that the run waits"
    producer.connections.ledger.wake(run.id)
    assert Turn(producer.connections, 0.0).lasts()
    run.send("approval", "yes")
    assert not Turn(producer.connections, 0.0).lasts()


def test_it_asks_nobody_while_it_is_sure(producer: CeleryExecutor) -> None:
    submitted(producer)
    submitted(producer)
    long = Turn(producer.connections, 60.0)
    assert long.is_sure()
    assert long.lasts()
    assert not Turn(producer.connections, 0.0).is_sure()


def test_it_ends_for_tasks_that_are_not_flowqs(producer: CeleryExecutor) -> None:
    submitted(producer)

    @producer.connections.app.task(name="users.own", shared=False)
    def own() -> None: ...

    assert not Turn(producer.connections, 0.0).lasts()


def test_it_does_not_last_for_ever(producer: CeleryExecutor) -> None:
    submitted(producer)
    assert not Turn(producer.connections, 0.0, alone_for_s=0.0).lasts()


@pytest.mark.parametrize("name", ["task_time_limit", "task_soft_time_limit"])
def test_it_ends_before_the_time_limit_of_the_teams_app(producer: CeleryExecutor, name: str) -> None:
    submitted(producer)
    producer.connections.app.conf[name] = 1e-6
    assert not Turn(producer.connections, 0.0).lasts()


@pytest.mark.parametrize("name", ["time_limit", "soft_time_limit"])
def test_it_ends_before_a_time_limit_of_flowqs_tasks_alone(producer: CeleryExecutor, name: str) -> None:
    submitted(producer)
    app = producer.connections.app
    add_tasks(app, None)
    setattr(app.tasks[CHUNK], name, 1e-6)  # as Celery does for the setting task_annotations
    assert not Turn(producer.connections, 0.0).lasts()


@pytest.fixture
def small(redis_server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    """Whose processes are to be replaced when they have more than every process has."""
    made = executor(flowq.Settings(broker_url=redis_server.url, max_memory_per_child_mib=32))
    yield made
    made.connections.close()


def test_it_ends_for_a_process_that_is_to_be_replaced(producer: CeleryExecutor, small: CeleryExecutor) -> None:
    submitted(producer)
    assert not Turn(small.connections, 0.0).lasts()
