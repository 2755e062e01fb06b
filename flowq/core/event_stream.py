"""The events of one run, as they happen: ``for event in flow.stream(shared)``, ``async for`` as well."""

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
    from flowq.core.flow import Flow

_LOOK_EVERY_S = 0.05


class EventStream:
    """Runs *flow* on *shared* while it is iterated, once an iteration; what the run raises is raised after its events.

    ``for`` runs the flow in a thread of its own, one event ahead of the reader at most; ``async for`` runs it in the
    running event loop. Leaving the loop early ends the run: at once in an event loop, else before the next node; a
    batch is cancelled.
    """

    def __init__(self, flow: Flow, shared: Any) -> None:
        self._flow, self._shared = flow, shared

    def __iter__(self) -> Iterator[Event]:
        events: queue.Queue[Event | None] = queue.Queue(1)
        dropped = threading.Event()
        raised: list[BaseException] = []

        def tell(event: Event) -> None:
            if dropped.is_set() and not event.kind.startswith("item"):
                raise _Dropped
            events.put(event)

        def run() -> None:
            outer = current_context() or ItemContext()
            enter_context(replace(outer, is_cancelled=lambda: dropped.is_set() or outer.cancelled))
            try:
                self._told(tell).run(self._shared)
            except _Dropped:
                pass
            except BaseException as error:  # for whoever iterates
                raised.append(error)
            finally:
                events.put(None)

        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,), name="flowq-stream")
        thread.start()
        try:
            while (event := events.get()) is not None:
                yield event
            thread.join()
        finally:
            dropped.set()
            while thread.is_alive():  # it may be waiting for its event to be read
                with contextlib.suppress(queue.Empty):
                    events.get(timeout=_LOOK_EVERY_S)
        if raised:
            raise raised.pop()

    async def __aiter__(self) -> AsyncIterator[Event]:
        events: asyncio.Queue[Event | None] = asyncio.Queue()
        loop = asyncio.get_running_loop()

        def tell(event: Event) -> None:  # from whatever thread an item runs in
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
    """Nobody reads the events any more."""
