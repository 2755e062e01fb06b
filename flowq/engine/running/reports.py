"""Reports that running items send with ``ctx.progress``: kept in Redis beside their batch, for watching clients.

Each process writes one field of a hash, at most twice a second, so the cost does not depend on the number of reports.
Nothing depends on them: what cannot be written is dropped, and the reports of a dead process are not read.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from flowq.batch.executor import Report
from flowq.codec import dumps, loads
from flowq.core.context import ItemContext
from flowq.engine.connection import Connections
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.running.shown import show_progress
from flowq.errors import DecodeError

log = logging.getLogger("flowq.reports")

EVERY_S = 0.5
KEPT_S = 3600

_Said = dict[int, tuple[float | None, float | None, float]]  # index → done, total, when


class Reports:
    """The reports of one process.

    Args:
        connections: of this process.
        holder: this process's name in the ledger.
    """

    def __init__(self, connections: Connections, holder: str) -> None:
        self._connections, self._holder = connections, holder
        self._said: dict[str, _Said] = {}
        self._written: set[str] = set()
        self._last_s = 0.0
        self._lock = threading.Lock()  # blocking items may run in threads

    def listener(self, batch_id: str, *, one_by_one: bool) -> Callable[[ItemContext, Any, Any], None]:
        """The function that ``ctx.progress`` of a batch's items calls.

        Args:
            one_by_one: items run one by one: a report of one means that those before it have ended.
        """

        def said(ctx: ItemContext, done: float | None, total: float | None) -> None:
            with self._lock:
                reports = self._said.setdefault(batch_id, {})
                index = ctx.item_index or 0
                if done is None and index in reports:  # a heartbeat
                    done, total, _ = reports[index]
                if one_by_one:
                    reports.clear()
                reports[index] = (done, total, time.time())
                if time.monotonic() - self._last_s < EVERY_S:
                    return
                self._last_s = time.monotonic()
                self._write(batch_id, reports)
            show_progress(f"item {index}: {Report(done, total)}")

        return said

    def ended(self, batch_id: str, index: int) -> None:
        """Drop the report of an item that has ended."""
        reports = self._said.get(batch_id)
        if reports:
            with self._lock:
                reports.pop(index, None)

    def cleared(self, batch_id: str) -> None:
        """Drop the reports of a batch none of whose items runs here any more."""
        with self._lock:
            self._said.pop(batch_id, None)
            if batch_id in self._written:
                self._written.discard(batch_id)
                try:
                    self._connections.redis.hdel(self._connections.keys.said(batch_id), self._holder)
                except REDIS_ERRORS as error:
                    log.debug("a report was not taken back", extra={"batch": batch_id, "error": repr(error)})

    def _write(self, batch_id: str, reports: _Said) -> None:
        key = self._connections.keys.said(batch_id)
        try:
            with self._connections.redis.pipeline(transaction=False) as pipe:
                pipe.hset(key, self._holder, dumps(reports))
                pipe.expire(key, KEPT_S)
                pipe.execute()
            self._written.add(batch_id)
        except REDIS_ERRORS as error:
            log.debug("a report was not written", extra={"batch": batch_id, "error": repr(error)})


def read_reports(connections: Connections, batch_id: str, holders: Callable[[], set[str]]) -> dict[int, Report]:
    """The last reports of running items, by index.

    Args:
        holders: returns the processes that hold chunks of the batch; called only if there is a report.
    """
    found = connections.redis.hgetall(connections.keys.said(batch_id))
    alive = holders() if found else set()
    reports: dict[int, Report] = {}
    for holder, blob in found.items():
        if holder.decode() not in alive:
            continue
        try:
            reports.update((index, Report(*said)) for index, said in loads(blob).items())
        except (DecodeError, TypeError, AttributeError):
            continue
    return reports
