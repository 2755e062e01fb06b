"""Results of a fleet that are looked up ahead of their items."""

from __future__ import annotations

from flowq.client.executor import CeleryExecutor
from flowq.engine.limits.memo import FleetMemo


def test_what_was_looked_up_for_items_that_went_to_others_is_not_kept(producer: CeleryExecutor) -> None:
    memo, other = (FleetMemo(producer.connections, "scope", 60.0) for _ in range(2))
    memo.expect(["a", "b"])
    assert memo.get("a") == ()
    other.put("b", 2)  # who was given the second item, and brought its result
    memo.expect(["c"])
    assert memo.get("b") == (2,)


def test_what_is_expected_is_looked_up_in_one_go(producer: CeleryExecutor) -> None:
    memo = FleetMemo(producer.connections, "scope", 60.0)
    memo.put("a", 1)
    memo.expect(["a", "b"])
    producer.connections.redis.flushdb()
    assert (memo.get("a"), memo.get("b")) == ((1,), ())
