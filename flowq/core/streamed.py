"""Wraps a generator ``exec`` into a function that returns the gathered result."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from flowq.core.callables import facts

Gather = Callable[[Any], Any]


def whole(fn: Callable[..., Any], gather: Gather) -> Callable[..., Any]:
    """*fn* itself; for a generator function, a function that returns ``gather(stream)``.

    For an async generator function the returned function is ``async def``, and *gather* may be too.
    """
    streams = facts(fn).streams
    if streams == "sync":

        @functools.wraps(fn)
        def gathered(*args: Any, **kwargs: Any) -> Any:
            return gather(fn(*args, **kwargs))

        return gathered
    if streams == "async":

        @functools.wraps(fn)
        async def gathered_async(*args: Any, **kwargs: Any) -> Any:
            stream = fn(*args, **kwargs)
            try:
                result = gather(stream)
                return await result if hasattr(type(result), "__await__") else result
            finally:
                await stream.aclose()  # also when the item is cancelled, or gather stopped early

        return gathered_async
    return fn


def listed(stream: Any) -> Any:
    """Everything *stream* yields as a list; for an async stream, a coroutine that returns it."""
    return _listed_async(stream) if isinstance(stream, AsyncIterator) else list(stream)


async def _listed_async(stream: AsyncIterator[Any]) -> list[Any]:
    return [bit async for bit in stream]
