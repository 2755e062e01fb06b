"""Whoever confirms a batch that has ended comes late: the batch has been redriven meanwhile, and runs."""

from __future__ import annotations

from dataclasses import replace

from flowq.client.executor import CeleryExecutor
from flowq.engine.batches import read_header
from flowq.engine.ending.facts import child_fact, read_fact
from flowq.engine.ending.family import end_plain
from flowq.engine.running.chunk_task import run_chunk
from flowq.engine.running.slot import Slot
from tests.nodes import Keyed, Square


def test_a_late_confirmation_leaves_a_redriven_batch_to_its_caretakers(producer: CeleryExecutor, slot: Slot) -> None:
    parent = producer.submit(Square().job(range(1)))
    handle = producer.submit(Keyed(on_error="collect", chunk_size=8).job([7]))
    connections = producer.connections
    header = replace(read_header(connections.redis, connections.keys, handle.id), parent=parent.id)
    run_chunk(slot, handle.id, "0:0-1")
    handle.retry_failed()
    end_plain(connections, header)  # somebody was told so before the redrive
    assert handle.state().confirmed == -1
    assert connections.ledger.control(handle.id, "confirm", 1)[0] == "unchanged", "nor does the ledger take it"
    assert read_fact(connections, parent.id, child_fact(handle.id, 1)) is None, "nobody is told of an end that is none"
    assert connections.redis.zscore(connections.keys.batches, handle.id) is not None
    run_chunk(slot, handle.id, "1:0-1")
    end_plain(connections, header)
    assert (handle.state().state, handle.state().confirmed) == ("succeeded", 1)
    assert read_fact(connections, parent.id, child_fact(handle.id, 1)) is not None
