"""Waiting in threads and for threads: an interruptible sleep, and an await that outlasts cancellation."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import Any

_LOOK_EVERY_S = 0.1
"""Seconds between two calls of ``called_off`` while a thread sleeps."""


def sleep_unless(called_off: Callable[[], bool], seconds: float) -> bool:
    """Sleep for *seconds*; returns True, or False and early if *called_off* returns true."""
    until = perf_counter() + seconds
    while not called_off():
        left_s = until - perf_counter()
        if left_s <= 0:
            return True
        time.sleep(min(left_s, _LOOK_EVERY_S))
    return False


async def until_ended(work: Future[Any], on_cancel: Callable[[], object]) -> None:
    """Wait until *work* has ended, with a value or an exception.

    When this is cancelled, work that has not started is dropped. A running thread cannot be cancelled: *on_cancel* asks
    it to end, and the cancellation continues only when it has, so that nothing is left running.
    """
    ended = asyncio.get_running_loop().create_future()
    loop = asyncio.get_running_loop()

    def tell() -> None:
        if not ended.done():
            ended.set_result(None)

    work.add_done_callback(lambda _: loop.call_soon_threadsafe(tell))
    try:
        await asyncio.shield(ended)
    except asyncio.CancelledError:
        on_cancel()
        work.cancel()
        while not ended.done():
            try:
                await asyncio.shield(ended)
            except asyncio.CancelledError:
                continue  # cancelled again; the thread must still end
        raise
