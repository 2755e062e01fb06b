"""The batch of an item is born as one that was submitted: the same limits, counted the same way."""

from __future__ import annotations

import pytest

from flowq.batch.items import Items
from flowq.client.executor import CeleryExecutor
from flowq.engine.ending.family import start_child
from flowq.engine.feeding.birth import header_of, source
from flowq.engine.ids import span
from tests.features.functions import Embeds

GROUP = 10


@pytest.mark.parametrize("kind", ["submitted", "child"])
def test_concurrency_counts_every_item_of_a_call_that_takes_many(producer: CeleryExecutor, kind: str) -> None:
    connections = producer.connections
    job = Embeds(chunk_size=GROUP, concurrency=GROUP).job(range(95))
    if kind == "submitted":
        batch_id = producer.submit(job).id
    else:
        batch_id, items = "child-1", Items("Embeds", job.items)
        header = header_of(job, batch_id, "flowq")
        start_child(connections, header, job, source(items, job.node), items.total, slots=2, known=None)
    opened = [span(one.decode()) for one in connections.redis.hkeys(connections.keys.of(batch_id, "open"))]
    assert [stop - start for start, stop in opened] == [GROUP]
