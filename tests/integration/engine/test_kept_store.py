"""What a durable run keeps of its store, step by step."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from flowq.core import MappingBase, Overlay
from flowq.engine.keys import Keys
from flowq.engine.stored.kept_store import KeptStore
from flowq.engine.stored.snapshots import Snapshots


@pytest.mark.parametrize("value", [None, True, 7, "text"])
@pytest.mark.parametrize("between", [[1, 2], {"a": None}])
def test_a_value_that_is_set_again_after_another_is_kept(redis: Redis, value: Any, between: Any) -> None:
    store = Overlay(MappingBase({}))
    kept = KeptStore(Snapshots(redis, Keys("test")), "run", {}, 60)
    for each in (value, between, value):
        store["result"] = each
        kept.save(store)
        again = Overlay(MappingBase({}))
        KeptStore(Snapshots(redis, Keys("test")), "run", {}, 60, kept.floor, kept.recent).restore(again)
        assert again["result"] == each
