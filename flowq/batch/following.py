"""Stream: an iterator over the outcomes or values of a running batch, for ``for`` or ``async for``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterable, Iterator
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Generic, TypeAlias, TypeVar

from flowq.batch.own_thread import own_thread

T = TypeVar("T")

Blocks: TypeAlias = Iterator[Iterable[T]]
"""The elements in blocks. An empty block means that nothing came for about a second."""


class Stream(Generic[T]):
    """Yields elements as a batch produces them: ``for one in stream`` or ``async for one in stream``, once.

    ``for`` waits in the calling thread, ``async for`` in another one. Leaving the loop early, ``close()`` and the end
    of a ``with`` block end the reading.

    Args:
        blocks: the elements to yield.
        abandoned: called once if the reading ends before the stream.
    """

    def __init__(self, blocks: Blocks[T], abandoned: Callable[[], None] | None = None) -> None:
        self._blocks = blocks
        # Generators without a reference to this object: leaving a loop closes them at once, without the cyclic GC.
        self._sync: Generator[T, None, None] | None = _each(blocks, abandoned)
        self._async: AsyncGenerator[T, None] | None = _each_async(blocks, abandoned)
        self._abandoned, self._begun = abandoned, False

    def when_abandoned(self, abandoned: Callable[[], None]) -> Stream[T]:
        """The same stream, with *abandoned* called if the reading ends before it."""
        return Stream(self._blocks, abandoned)

    def __iter__(self) -> Iterator[T]:
        self._begun = True
        return self._reader()

    def __next__(self) -> T:
        self._begun = True
        return next(self._reader())

    def __aiter__(self) -> AsyncIterator[T]:
        self._begun = True
        return self._async_reader()

    async def __anext__(self) -> T:
        self._begun = True
        return await anext(self._async_reader())

    def close(self) -> None:
        """Stop reading."""
        # Closing a generator that was not started does not run its ``finally``.
        if not self._begun and self._abandoned is not None:
            self._abandoned()
        self._reader().close()

    async def aclose(self) -> None:
        """Stop reading, in an event loop."""
        if not self._begun and self._abandoned is not None:
            await _leave(self._abandoned)
        await self._async_reader().aclose()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    async def __aenter__(self) -> Stream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        await self.aclose()

    def _reader(self) -> Generator[T, None, None]:
        if self._sync is None:
            raise RuntimeError("this stream is read by `async for` already: ask the handle for another one")
        self._async = None
        return self._sync

    def _async_reader(self) -> AsyncGenerator[T, None]:
        if self._async is None:
            raise RuntimeError("this stream is read by `for` already: ask the handle for another one")
        self._sync = None
        return self._async


def _each(blocks: Blocks[T], abandoned: Callable[[], None] | None) -> Generator[T, None, None]:
    ended = False
    try:
        for block in blocks:
            yield from block
        ended = True
    finally:
        if not ended and abandoned is not None:
            abandoned()


async def _each_async(blocks: Blocks[T], abandoned: Callable[[], None] | None) -> AsyncGenerator[T, None]:
    ended = False
    nothing: Any = object()
    try:
        with own_thread("flowq-read") as in_thread:
            while (block := await in_thread(next, blocks, nothing)) is not nothing:
                for one in block:
                    yield one
        ended = True
    finally:
        if not ended and abandoned is not None:
            await _leave(abandoned)


async def _leave(abandoned: Callable[[], None]) -> None:
    """Call *abandoned* in a thread, even if this wait is cancelled, repeatedly, as cancel scopes do."""
    ended: Future[None] = Future()
    ended.set_running_or_notify_cancel()  # else cancelling the wait would cancel it

    def leave() -> None:
        try:
            abandoned()
        except BaseException as error:  # raised to the waiting coroutine
            ended.set_exception(error)
        else:
            ended.set_result(None)

    # A new thread: one from the loop's pool might not start before the loop ends.
    threading.Thread(target=leave, name="flowq-leave").start()
    await asyncio.wrap_future(ended)
