"""In which Redis list messages lie, by their priority: who looks for them, counts them or puts them back finds it."""

from __future__ import annotations

import json

import pytest
from celery import Celery
from kombu import Exchange, Queue
from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.app import queue_list, sent_priority
from flowq.engine.batches import Headers
from flowq.engine.care.examination import fleet
from flowq.engine.connection import Connections
from flowq.local import EmbeddedRedis
from flowq.worker.caretaker import Caretaker
from flowq.worker.unknown import UnknownTasks
from tests.nodes import Square


@pytest.mark.parametrize("priority", [None, 0, 2, 5, 9])
def test_messages_that_wait_are_found_whatever_their_priority(
    redis_server: EmbeddedRedis, redis: Redis, priority: int | None
) -> None:
    executor = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    connections = executor.connections
    header = executor.submit(Square(priority=priority).job(range(5))).header
    caretaker = Caretaker(connections, Headers(connections.redis, connections.keys), "one", lambda: None)
    lies_in = queue_list(connections.app, header.queue, header.priority)
    assert redis.llen(lies_in) > 0
    assert not caretaker._is_idle(header)
    redis.delete(lies_in)
    assert caretaker._is_idle(header)
    connections.close()


@pytest.mark.parametrize("kind", ["direct", "topic"])
def test_messages_reach_the_queue_of_a_team_s_app_before_a_worker_has_declared_it(
    redis_server: EmbeddedRedis, redis: Redis, kind: str
) -> None:
    settings = flowq.Settings(broker_url=redis_server.url)
    team = Celery("team", broker=redis_server.url, set_as_current=False)
    team.conf.task_queues = [Queue("reports", Exchange("reports", type=kind), routing_key="reports")]
    connections = Connections(settings, team)
    CeleryExecutor(settings, connections=connections).submit(Square(queue="reports", chunk_size=1).job(range(3)))
    assert redis.llen("reports") > 0
    connections.close()


def test_doctor_counts_the_messages_of_every_priority(redis_server: EmbeddedRedis, redis: Redis) -> None:
    executor = CeleryExecutor(settings := flowq.Settings(broker_url=redis_server.url))
    for priority in (None, 0, 2, 5, 9):
        executor.submit(Square(priority=priority, chunk_size=1).job(range(3)))
    (said,) = [one.found for one in fleet(redis, settings) if one.check == "batches"]
    assert "10 chunks open" in said
    assert "10 messages queued" in said
    executor.connections.close()


def tomorrow() -> None: ...


@pytest.mark.parametrize("priority", [None, 0, 2, 5, 9])
def test_what_was_kept_for_a_newer_flowq_comes_back_with_its_priority(
    redis_server: EmbeddedRedis, redis: Redis, priority: int | None
) -> None:
    connections = Connections(settings := flowq.Settings(broker_url=redis_server.url))
    app, lies_in = connections.app, queue_list(connections.app, "flowq", priority)
    unknown = UnknownTasks(app, settings)
    app.send_task("flowq.tomorrow", priority=None if priority is None else sent_priority(priority))
    sent = redis.lrange(lies_in, 0, -1)
    with app.connection() as connection:
        message = Queue("flowq", channel=connection.default_channel).get(accept=["flowq"])
        assert message is not None
        assert unknown.keep(message) is None
        message.ack()
    assert not redis.exists(lies_in)
    app.task(name="flowq.tomorrow", shared=False)(tomorrow)
    unknown.release()
    assert [json.loads(one)["body"] for one in redis.lrange(lies_in, 0, -1)] == [
        json.loads(one)["body"] for one in sent
    ]
    assert not redis.exists(connections.keys.later)
    connections.close()
