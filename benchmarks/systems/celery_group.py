"""Plain Celery's group, one task an item, and its ``chunks`` of 100; both polled, and their values read."""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import chain
from typing import Any, ClassVar

from celery import group

from benchmarks.systems import by_hand, celery_app
from benchmarks.systems.celery_chord import POLL_S, WAIT_S, CeleryChord

CHUNK = 100
AT_A_TIME = 256


class CeleryGroup(CeleryChord):
    name: ClassVar[str] = "Celery group"
    setting: ClassVar[str] = (
        f"{celery_app.SETTING}; results read by MGET every 5 ms; `chunks(100)` by hand; store in one message a slot"
    )

    def map(self, function: str, items: Sequence[Any]) -> list[Any]:
        task = self._task(function)
        return self._values(group([task.s(item) for item in items], app=self._app).apply_async())

    def chunks(self, function: str, items: Sequence[Any]) -> list[Any]:
        lists = self._values(self._task(function).chunks(((item,) for item in items), CHUNK).apply_async())
        return list(chain.from_iterable(lists))

    def with_store(self, store: str, items: Sequence[int]) -> list[int]:
        task = self._task("weigh_each")
        chunks = by_hand.cut(items, self._slots)
        return by_hand.join(
            self._values(group([task.s(store, chunk) for chunk in chunks], app=self._app).apply_async())
        )

    def _values(self, result: Any) -> list[Any]:
        """The values of a group's tasks, in order. `get()` itself takes a round trip a task."""
        assert self._app is not None
        backend, values, deadline = self._app.backend, list[Any](), time.monotonic() + WAIT_S
        keys = [backend.get_key_for_task(one.id) for one in result.results]
        while len(values) < len(keys):
            for raw in backend.client.mget(keys[len(values) : len(values) + AT_A_TIME]):
                if raw is None:
                    break
                values.append(value_of(backend.decode_result(raw)))
            else:
                continue
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(values)} of {len(keys)} tasks came back within {WAIT_S:g} s")
            time.sleep(POLL_S)
        return values


def value_of(meta: dict[str, Any]) -> Any:
    """What the task returned."""
    if meta["status"] != "SUCCESS":
        raise RuntimeError(f"a task ended as {meta['status']}: {meta['result']}")
    return meta["result"]
