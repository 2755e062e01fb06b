"""Blocking calls, awaited in a thread of their own: ``asyncio.to_thread`` has the few threads of the loop's pool."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any


@contextmanager
def own_thread(name: str) -> Iterator[Callable[..., Awaitable[Any]]]:
    """``in_thread(fn, *args)``, as ``asyncio.to_thread``, but in one thread that serves only this block.

    In the loop's pool programs that wait for many batches would wait for each other, and so would whatever else needs
    one of its threads. A call whose await was cancelled goes on, also after the block; the next call waits for it.
    """
    pool = ThreadPoolExecutor(1, name)

    def in_thread(fn: Callable[..., Any], *args: Any) -> Awaitable[Any]:
        return asyncio.get_running_loop().run_in_executor(pool, contextvars.copy_context().run, fn, *args)

    try:
        yield in_thread
    finally:
        pool.shutdown(wait=False)
