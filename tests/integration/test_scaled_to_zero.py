"""An autoscaler that has stopped the last worker is told when there is work again: workers see to most of it only."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.app import RUN_FLOW
from flowq.engine.fleet.gauges import Standing, read_standing
from flowq.local import EmbeddedRedis
from tests import nested, nodes
from tests.waiting import until


@pytest.fixture
def producer(redis: Redis, redis_server: EmbeddedRedis) -> Iterator[CeleryExecutor]:
    made = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    yield made
    made.connections.close()


def standing(producer: CeleryExecutor, queue: str | None = None) -> Standing:
    return read_standing(producer.connections, queue)


def test_an_item_whose_next_try_is_due_wants_a_worker(redis_server: EmbeddedRedis, producer: CeleryExecutor) -> None:
    with flowq.LocalCluster(broker_url=redis_server.url, workers=1, slots=1, imports=["tests.nodes"]):
        producer.submit(nodes.FailsTwice(retry=flowq.Retry(attempts=3, wait=4)).job(range(2)))
        until(lambda: standing(producer).parked.total() == 2, 20, "both wait for their next try")
        assert standing(producer).pending_of() == 0
    until(lambda: standing(producer).pending_of("flowq") == 2, 20, "their time has come, and no worker is there")
    assert standing(producer).parked.total() == 0


@pytest.mark.parametrize("queue", ["flowq", "nightly"])
def test_a_flow_that_beat_has_sent_wants_a_worker(producer: CeleryExecutor, queue: str, tmp_path: Path) -> None:
    flow = nested.six_steps(str(tmp_path / "notes"))
    entry = flowq.scheduled(flow, 60, key="nightly", shared={"numbers": [3]}, queue=queue)
    assert standing(producer, queue).pending_of(queue) == 0
    producer.connections.app.send_task(RUN_FLOW, args=(*entry["args"][:3], 1_700_000_000), **entry["options"])
    assert standing(producer, queue).pending_of(queue) == 1
    with flowq.LocalCluster(
        broker_url=producer.settings.url, workers=1, slots=1, imports=["tests.nested"], queues=[queue]
    ):
        until(lambda: standing(producer, queue).pending_of(queue) == 0, 20, "a worker has run it")


def test_a_message_is_not_counted_beside_the_items_that_it_is_for(producer: CeleryExecutor) -> None:
    producer.submit(nodes.Square(chunk_size=1).job(range(5)))
    assert standing(producer).pending_of("flowq") == 5


def test_a_batch_that_is_to_be_aggregated_wants_a_worker(producer: CeleryExecutor) -> None:
    batch = producer.submit(nodes.count_all().job([{"n": 1}], shared={"base": 10, "log": []}))
    batch.cancel()
    assert standing(producer).pending["flowq", batch.node] == 1
    with flowq.LocalCluster(broker_url=producer.settings.url, workers=1, slots=1, imports=["tests.nodes"]):
        until(lambda: standing(producer).pending_of() == 0, 20, "a worker has aggregated it")
