"""A worker that looks after many batches: a round that takes long is no absence, and it holds little of each."""

from __future__ import annotations

from dataclasses import replace

from flowq.client.executor import CeleryExecutor
from flowq.engine.batches import Headers
from flowq.engine.fleet.presence import Fleet, WorkerRecord, alive, announce, sightings, withdraw, workers
from flowq.worker.caretaker import Caretaker
from flowq.worker.pulse import Beat
from tests.nodes import Square

ONE = WorkerRecord("one", "host", 1, 2, {"flowq": "flowq:flowq"}, (), "1", 0.0)


def test_workers_of_one_name_are_all_counted_and_go_alone(producer: CeleryExecutor) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    fleet = [ONE, replace(ONE, pid=2), replace(ONE, host="another"), replace(ONE, started_at=1.0)]
    for record in fleet:
        announce(redis, keys, record)
    assert Fleet(redis, keys).slots("flowq") == 8
    assert [one.name for one in sightings(redis, keys)] == ["one"] * 4
    withdraw(redis, keys, ONE)
    assert sorted(workers(redis, keys), key=str) == sorted(fleet[1:], key=str)


def test_a_worker_that_was_replaced_by_one_of_its_name_is_not_missed(producer: CeleryExecutor) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    announce(redis, keys, ONE)
    redis.delete(keys.worker(ONE.entry))
    assert [one.record for one in sightings(redis, keys)] == [None]
    announce(redis, keys, later := replace(ONE, started_at=1.0))
    assert [one.record for one in sightings(redis, keys)] == [later]


def test_a_worker_says_that_it_is_there_between_the_batches_of_a_round(producer: CeleryExecutor) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    batches = [producer.submit(Square().job([item])).id for item in range(3)]
    seen: list[int] = []

    def sign() -> None:
        seen.append(alive(redis, keys))
        announce(redis, keys, ONE)

    announced = Beat(sign, every_s=0.0)

    def keep_up() -> None:
        redis.delete(keys.worker(ONE.entry))  # as if the batch before had taken longer than the record lasts
        announced.keep_up()

    Caretaker(producer.connections, Headers(redis, keys), "one", keep_up).tick()
    assert alive(redis, keys) == 1
    assert seen == [0] * len(batches)


def test_a_beat_that_is_not_late_is_not_made_again() -> None:
    beats: list[None] = []
    beat = Beat(lambda: beats.append(None), every_s=60.0)
    for _ in range(3):
        beat.keep_up()
    assert len(beats) == 1
    beat()
    assert len(beats) == 2


def test_who_cares_for_batches_and_runs_none_holds_no_graphs(producer: CeleryExecutor) -> None:
    redis, keys = producer.connections.redis, producer.connections.keys
    header = producer.submit(Square().job([1])).header
    headers = Headers(redis, keys, specs=False)
    for _ in range(2):
        assert headers.get(header.id) == replace(header, spec=b"")
