"""What nodes keep open while items run: their ``lifespan``s, entered in order, left in reverse."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any

from flowq.core.graph import reachable
from flowq.core.node import Node


def long_lived(node: Node[Any, Any]) -> list[Node[Any, Any]]:
    """The node itself and the nodes inside it that have a ``lifespan`` of their own."""
    return [one for one in reachable(node) if type(one).lifespan is not Node.lifespan]


@asynccontextmanager
async def opened(node: Node[Any, Any]) -> AsyncIterator[None]:
    """The node's lifespans, and those of the nodes inside it, open in the running event loop."""
    async with AsyncExitStack() as stack:
        for one in long_lived(node):
            await stack.enter_async_context(one.lifespan())
        yield


@contextmanager
def held_open(node: Node[Any, Any]) -> Iterator[None]:
    """``opened`` for blocking items, which have no event loop: one of its own runs in a thread meanwhile."""
    if not long_lived(node):
        yield
        return
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="flowq-lifespan", daemon=True)
    thread.start()
    span = opened(node)
    try:
        asyncio.run_coroutine_threadsafe(span.__aenter__(), loop).result()
        try:
            yield
        finally:
            asyncio.run_coroutine_threadsafe(span.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
