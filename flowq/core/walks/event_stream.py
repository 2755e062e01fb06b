"""EventStream: iterates over the events of one run as they happen, with ``for`` or ``async for``."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flowq.core.context import ItemContext, current_context, enter_context
from flowq.core.hooks import Event, Told

if TYPE_CHECKING:
    from flowq.core.walks.flow import Flow

_LOOK_EVERY_S = 0.05


class EventStream:
    """Each iteration runs *flow* on *shared* and yields its events; an exception of the run is raised after them.

    ``for`` runs the flow in another thread, at most one event ahead of the reader; ``async for`` runs it in the running
    event loop. Leaving the loop early ends the run, at once with ``async for``, else before the next node, and cancels
    a running batch.
    """

    def __init__(self, flow: Flow, shared: Any) -> None:
        self._flow, self._shared = flow, shared

    def __iter__(self) -> Iterator[Event]:
        events: queue.Queue[Event | None] = queue.Queue(1)
        dropped = threading.Event()
        raised: list[BaseException] = []

        def tell(event: Event | None) -> None:
            while not dropped.is_set():
                with contextlib.suppress(queue.Full):
                    return events.put(event, timeout=_LOOK_EVERY_S)
            if event is not None and not event.kind.startswith("item"):
                raise _Dropped

        def run() -> None:
            outer = current_context() or ItemContext()
            enter_context(replace(outer, is_cancelled=lambda: dropped.is_set() or outer.cancelled))
            try:
                self._told(tell).run(self._shared)
            except _Dropped:
                pass
            except BaseException as error:  # raised to the caller after the events
                raised.append(error)
            finally:
                tell(None)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="flowq-stream")
        thread.start()
        try:
            while (event := events.get()) is not None:
                yield event
        finally:
            dropped.set()
            thread.join()
        if raised:
            raise raised.pop()

    async def __aiter__(self) -> AsyncIterator[Event]:
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(event: Event) -> None:  # called from any thread that runs an item
            loop.call_soon_threadsafe(events.put_nowait, event)

        run = asyncio.create_task(self._told(tell).run_async(self._shared))
        run.add_done_callback(lambda _: events.put_nowait(None))
        try:
            while (event := await events.get()) is not None:
                yield event
        finally:
            if not run.done():
                run.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await run
        await run

    def _told(self, tell: Callable[[Event], object]) -> Flow:
        flow = self._flow.__copy__()
        flow.listen([Told(tell)])
        return flow


class _Dropped(BaseException):
    """Ends the run in the thread: its events are no longer read."""
