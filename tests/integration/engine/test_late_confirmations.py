"""Who confirms a batch that has ended: its close, or somebody who may come late and find it redriven."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from redis import Redis

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.batches import read_header
from flowq.engine.ending.facts import child_fact, read_facts
from flowq.engine.ending.family import end_plain
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from flowq.local import EmbeddedRedis
from flowq.worker.boards import Boards
from tests.integration.engine.conftest import executor
from tests.nodes import Keyed, Square


def test_a_late_confirmation_leaves_a_redriven_batch_to_its_caretakers(producer: CeleryExecutor, slot: Slot) -> None:
    parent = producer.submit(Square().job(range(1)))
    handle = producer.submit(Keyed(on_error="collect", chunk_size=8).job([7]))
    connections = producer.connections
    header = replace(read_header(connections.redis, connections.keys, handle.id), parent=parent.id)
    connections.redis.hset(connections.keys.meta(handle.id), "plain", 0)  # as of a batch that an item waits for
    run_chunk(slot, handle.id, "0:0-1")
    handle.retry_failed()
    end_plain(connections, header)  # somebody was told so before the redrive
    assert handle.state().confirmed == -1
    assert connections.ledger.control(handle.id, "confirm", 1)[0] == "unchanged", "nor does the ledger take it"
    assert not read_facts(connections, parent.id, [child_fact(handle.id, 1)]), "nobody is told of an end that is none"
    assert connections.redis.zscore(connections.keys.batches, handle.id) is not None
    run_chunk(slot, handle.id, "1:0-1")
    end_plain(connections, header)
    assert (handle.state().state, handle.state().confirmed) == ("succeeded", 1)
    assert read_facts(connections, parent.id, [child_fact(handle.id, 1)])


def test_a_batch_that_leaves_nothing_to_do_is_confirmed_by_its_close(producer: CeleryExecutor, slot: Slot) -> None:
    connections = producer.connections

    def is_looked_after() -> bool:
        return connections.redis.zscore(connections.keys.batches, handle.id) is not None

    handle = producer.submit(Keyed(on_error="collect", chunk_size=8).job([7]))
    assert is_looked_after()
    run_chunk(slot, handle.id, "0:0-1")
    assert (handle.state().state, handle.state().confirmed) == ("succeeded", 0)
    assert not is_looked_after()
    handle.retry_failed()
    assert is_looked_after(), "redriven, it runs"
    handle.cancel()
    assert (handle.state().state, handle.state().confirmed) == ("cancelled", 1)
    assert not is_looked_after()


def test_a_batch_with_a_sink_is_looked_after_until_its_folder_was_looked_through(
    redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> None:
    producer = executor(flowq.Settings(broker_url=redis_server.url, sinks=(str(tmp_path),)))
    connections, slot = producer.connections, Slot(producer.connections, "one", Boards().own(0))
    handle = producer.submit(Square(sink=str(tmp_path)).job(range(1)))
    run_chunk(slot, handle.id, "0:0-1")
    assert (handle.state().state, handle.state().confirmed) == ("succeeded", -1)
    assert connections.redis.zscore(connections.keys.batches, handle.id) is not None
    end_plain(connections, read_header(connections.redis, connections.keys, handle.id))
    assert handle.state().confirmed == 0
    slot.close()
    connections.close()
