"""An ``exec`` that yields its result bit by bit: the function that gives it whole. Never what the bits come to."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable
from typing import Any

from flowq.core.callables import facts

Gather = Callable[[Any], Any]


def whole(fn: Callable[..., Any], gather: Gather) -> Callable[..., Any]:
    """*fn* itself; of a generator function, one that returns what *gather* makes of its stream.

    Of an async generator function the result is ``async def``, and *gather* may be.
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
                await stream.aclose()  # also when the item is cancelled, or gather has seen enough

        return gathered_async
    return fn


def listed(stream: Any) -> Any:
    """All that *stream* yields, as a list; of an async stream, to be awaited."""
    return _listed_async(stream) if isinstance(stream, AsyncIterator) else list(stream)


async def _listed_async(stream: AsyncIterator[Any]) -> list[Any]:
    return [bit async for bit in stream]
