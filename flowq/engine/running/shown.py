"""What Flower shows of a task: how it went, and single items as tasks of their own. Its name is set in dispatch.py.

Nothing depends on it; what cannot be sent is dropped. Names are static, because Flower uses them as metric labels.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from celery import current_task
from celery.events.event import Event, get_exchange
from celery.utils.time import utcoffset
from kombu.exceptions import OperationalError

from flowq.batch.results.done import Done
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.redis_client import REDIS_ERRORS
from flowq.engine.running.held_range import RUNS_ON
from flowq.engine.running.work import Work
from flowq.portable import format_traceback

log = logging.getLogger("flowq.shown")

MAX_FAILED = 100  # failed items that one process shows of a batch, unless all its items are to be shown
MAX_EVENTS = 300  # in one message
MAX_TEXT = 500
REMEMBERED = 64


class Went:
    """The counts of a chunk's outcomes. Its ``str`` is the result of the task: ``37 items, 2 failed``."""

    def __init__(self) -> None:
        self.items = self.fallback = self.failed = self.parked = 0

    def add(self, done: Done) -> None:
        """Add what a commit stored, without items that run on."""
        counts = done.counts()
        self.items += len(done.values) - len(done.parked)
        self.fallback += counts["fallback"]
        self.failed += counts["failed"]
        self.parked += sum(park.reason != RUNS_ON for park in done.parked)

    def __str__(self) -> str:
        parts = [f"{self.items:,} item" if self.items == 1 else f"{self.items:,} items"]
        if self.failed:
            parts.append(f"{self.failed:,} failed")
        if self.fallback:
            parts.append(f"{self.fallback:,} fallback")
        if self.parked:
            parts.append(f"{self.parked:,} to be tried again")
        return ", ".join(parts)


class ItemEvents:
    """Celery's task events for items: for all items of a batch with ``item_events=True``, else for failed ones.

    An item's task id is ``{batch id}.{index}``, the same in every generation. Neither inputs nor outputs are sent.

    Args:
        connections: of this process.
        worker: the worker's name in Flower.
    """

    def __init__(self, connections: Connections, worker: str) -> None:
        self._connections, self._worker = connections, worker
        self._failed_shown: OrderedDict[str, int] = OrderedDict()

    def taken(self, work: Work, start: int, stop: int, *, begun: int) -> None:
        """Show that this process holds items ``start … stop``, of which the first *begun* run."""
        if not work.policy.item_events:
            return
        events = [_received(work.header, index) for index in range(start, stop)]
        events += [("task-started", index, {}) for index in range(start, min(stop, start + begun))]
        self._send(work.header, events)

    def done(self, work: Work, done: Done) -> None:
        """Show the outcomes in *done*, which were committed."""
        wanted = work.policy.item_events
        if wanted:
            self._send(work.header, _all(work, done))
        elif wanted is None and done.notable:
            self._send(work.header, self._failed(work.header, done))

    def _failed(self, header: Header, done: Done) -> list[_Item]:
        failed = [index for index, one in done.notable.items() if one.status == "failed"]
        shown = self._failed_shown.pop(header.id, 0)
        failed = failed[: max(0, MAX_FAILED - shown)]
        if shown or failed:
            self._failed_shown[header.id] = shown + len(failed)
            if len(self._failed_shown) > REMEMBERED:
                self._failed_shown.popitem(last=False)
        at = time.time()
        return [
            event
            for index in failed
            for event in (_received(header, index, {"timestamp": at - done.time_of(index)}), *_ended(done, index, at))
        ]

    def _send(self, header: Header, events: Iterable[_Item]) -> None:
        """Publish *events*; an error is logged and ignored."""
        app = self._connections.app
        made = [
            Event(
                kind, hostname=self._worker, utcoffset=utcoffset(), pid=0, clock=app.clock.forward(),
                uuid=f"{header.id}.{index}", **fields,
            )
            for kind, index, fields in events
        ]  # fmt: skip
        try:
            with self._connections.producer() as producer:
                exchange = get_exchange(producer.connection, name=app.conf.event_exchange)
                for at in range(0, len(made), MAX_EVENTS):
                    producer.publish(
                        made[at : at + MAX_EVENTS], routing_key="task.multi", exchange=exchange.name,
                        declare=[exchange], serializer=app.conf.event_serializer, delivery_mode=1, retry=False,
                        headers={"hostname": self._worker},
                    )  # fmt: skip
        except (*REDIS_ERRORS, OperationalError) as error:
            log.debug("items are not shown", extra={"batch": header.id, "error": repr(error)})


def show_progress(text: str) -> None:
    """Show *text* as the result of the Celery task that runs in this thread; do nothing outside of a task."""
    task = current_task
    if not task or task.request.called_directly:
        return
    try:
        task.send_event("task-progress", result=text, retry=False)
    except (*REDIS_ERRORS, OperationalError) as error:
        log.debug("progress is not shown", extra={"error": repr(error)})


NOW: Mapping[str, float] = MappingProxyType({})
_Item = tuple[str, int, dict[str, Any]]  # type of event, item, fields


def _received(header: Header, index: int, when: Mapping[str, float] = NOW) -> _Item:
    fields = {
        **when,
        "name": f"{header.node} item", "args": f"{header.label} · item {index}", "kwargs": header.id,
        "retries": 0, "eta": None, "expires": None, "root_id": None, "parent_id": None,
    }  # fmt: skip
    return "task-received", index, fields


def _all(work: Work, done: Done) -> Iterator[_Item]:
    """The start and end of every item, at its own times if items ran one by one, else up to now."""
    waits = {park.index: park for park in done.parked}
    together = work.in_flight > 1 or work.runner.is_async
    at = time.time() if together else done.started_at
    for index in range(done.start, done.upto):
        park = waits.get(index)
        if park is None:
            if not together:
                at += done.time_of(index)
            yield from _ended(done, index, at)
        elif park.reason != RUNS_ON:
            yield "task-retried", index, {"exception": park.reason[:MAX_TEXT], "traceback": ""}


def _ended(done: Done, index: int, at: float) -> Iterator[_Item]:
    """The start and end of an item that ended at *at*."""
    outcome = done.outcome(index)
    seconds = outcome.execution_time
    tries = "" if outcome.attempts < 2 else f", {outcome.attempts} tries"
    yield "task-started", index, {"timestamp": at - seconds}
    if outcome.error is not None and outcome.status == "failed":
        fields: dict[str, Any] = {
            "exception": repr(outcome.error)[:MAX_TEXT],
            "traceback": format_traceback(outcome.error),
        }
        yield "task-failed", index, {"timestamp": at, **fields}
    else:
        yield "task-succeeded", index, {"timestamp": at, "runtime": seconds, "result": outcome.status + tries}
