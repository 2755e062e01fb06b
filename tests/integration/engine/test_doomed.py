"""What is said of an item that was killed with its process, by one that gets it next."""

from __future__ import annotations

from dataclasses import replace

import pytest

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.ledger import Claimed
from flowq.engine.running.chunk import doomed
from flowq.engine.running.slot import Slot
from flowq.engine.running.storing import JUDGED
from flowq.errors import ItemTimeout
from flowq.local import EmbeddedRedis
from flowq.worker.boards import Boards
from tests.nodes import Square


@pytest.mark.parametrize("timeout_s", [2.5, None])
def test_an_item_killed_for_its_time_fails_with_the_limit_it_has_and_runs_again_without_one(
    redis_server: EmbeddedRedis, timeout_s: float | None
) -> None:
    # None: newer code, from which the timeout was taken while the item was held by older one.
    executor = CeleryExecutor(flowq.Settings(broker_url=redis_server.url))
    header = executor.submit(Square(timeout=timeout_s).job([1])).header
    slot = Slot(executor.connections, "one", Boards().own(0))
    claim = executor.connections.ledger.claim(header.id, "0:0-1", slot.holder, fields=JUDGED)
    assert isinstance(claim, Claimed)
    done = doomed(slot, slot.work(header.id), replace(claim, overtime=True, crashes=1, solo=True))
    if timeout_s is None:
        assert done is None
    else:
        assert done is not None
        error = done.notable[0].error
        assert isinstance(error, ItemTimeout)
        assert error.timeout_s == timeout_s
    slot.close()
    executor.connections.close()
