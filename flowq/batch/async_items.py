"""AsyncItems: reads an async iterable from blocking code or another event loop, running it in its own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from flowq.core.drive import loop_runs
from flowq.errors import FlowError, LoopRunning

AHEAD = 256
LOOK_EVERY_S = 1.0

_END: Any = object()


class AsyncItems(Iterator[Any]):
    """Reads *given* once, either with ``next(items)`` in a thread or with ``await items.next_async()``.

    The resources of an async generator (a session, a connection) belong to the event loop that runs where the batch is
    created, so the generator runs in that loop. If none runs there, it runs in a new loop in the reading thread.

    Args:
        what: the node's name, for errors.
        given: the items. Up to 256 of them are read ahead for a reader in another thread.
    """

    def __init__(self, what: str, given: AsyncIterable[Any]) -> None:
        self._what = what
        self._items: AsyncIterator[Any] = aiter(given)
        self._home = asyncio.get_running_loop() if loop_runs() else None
        self._own: asyncio.Runner | None = None
        self._pump: Future[None] | None = None
        self._filling: Coroutine[Any, Any, None] | None = None
        self._held: deque[Any] = deque()
        self._error: BaseException | None = None
        self._ended = False
        self._room: asyncio.Event | None = None
        self._changed = threading.Condition()

    def __next__(self) -> Any:
        """The next item.

        Raises:
            LoopRunning: called in an event loop, which would deadlock.
            FlowError: the event loop of the items has ended.
        """
        if loop_runs():
            raise LoopRunning(self._what)
        if self._home is not None:
            return self._from_home(self._home)
        if self._ended:
            raise StopIteration
        if self._own is None:
            self._own = asyncio.Runner()
        item = self._own.run(self._one())
        if item is _END:
            self.close()
            raise StopIteration
        return item

    async def next_async(self) -> Any:
        """The next item, awaited in any event loop.

        Raises:
            StopAsyncIteration: there are no more items.
        """
        if self._home is None or self._home is asyncio.get_running_loop():
            return await anext(self._items)
        item = await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._one(), self._home))
        if item is _END:
            raise StopAsyncIteration
        return item

    def close(self) -> None:
        """Stop reading; thread-safe. A blocked ``next`` ends, unless it runs the items in a loop of its own."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        if self._pump is not None:
            self._pump.cancel()
        if self._own is not None and not self._own.get_loop().is_running():
            own, self._own = self._own, None
            own.close()

    def _too_early(self) -> FlowError:
        if self._filling is not None:
            with contextlib.suppress(RuntimeError, ValueError):  # it has already started
                self._filling.close()
        return FlowError(f"{self._what}: the event loop of its async items ended before they did")

    def _was_cancelled(self) -> FlowError:
        return FlowError(f"{self._what}: its async items raised a CancelledError: what they waited for was cancelled")

    async def _one(self) -> Any:
        return await anext(self._items, _END)

    # -- by a thread, from the loop where the batch was made --------------------------------------------------------

    def _from_home(self, home: asyncio.AbstractEventLoop) -> Any:
        if self._pump is None and not self._ended:
            self._filling = self._fill()
            try:
                self._pump = asyncio.run_coroutine_threadsafe(self._filling, home)
            except RuntimeError:  # the loop is closed
                raise self._too_early() from None
        with self._changed:
            while not self._held and not self._ended:
                self._changed.wait(LOOK_EVERY_S)
                if not home.is_running():
                    raise self._too_early()
            if self._held:
                item = self._held.popleft()
                if self._room is not None and len(self._held) <= AHEAD // 2:
                    with contextlib.suppress(RuntimeError):  # the loop is closed: found when the held items are used up
                        home.call_soon_threadsafe(self._room.set)
                    self._room = None
                return item
        if self._error is not None:
            raise self._error
        raise StopIteration

    async def _fill(self) -> None:
        try:
            async for item in self._items:
                room = self._hold(item)
                if room is not None:
                    await room.wait()
                if self._ended:
                    break
        except asyncio.CancelledError:
            if not self._ended:  # not cancelled by `close`: the items are incomplete
                self._filling = None
                task = asyncio.current_task()
                by_the_loop = task is not None and task.cancelling()
                self._error = self._too_early() if by_the_loop else self._was_cancelled()
            raise
        except BaseException as error:  # raised to the reader, to whom the items would else be complete
            self._error = error
            if isinstance(error, (SystemExit, KeyboardInterrupt)):
                raise
        finally:
            with self._changed:
                self._ended = True
                self._changed.notify_all()
            with contextlib.suppress(Exception):
                await self._items.aclose()  # type: ignore[attr-defined]  # an iterator need not have it

    def _hold(self, item: Any) -> asyncio.Event | None:
        """Queue an item; if the queue is full, return the event that is set when it has room."""
        with self._changed:
            self._held.append(item)
            self._changed.notify()
            if len(self._held) >= AHEAD:
                self._room = asyncio.Event()
            return self._room


def readable(what: str, given: Any) -> Any:
    """*given*, wrapped in ``AsyncItems`` if it can only be read with ``async for``."""
    is_async = isinstance(given, AsyncIterable) and not isinstance(given, Iterable)
    return AsyncItems(what, given) if is_async else given
