"""Waiting in, and for, threads: sleep that can be called off, work that is awaited to its very end. Never the work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future
from time import perf_counter
from typing import Any

_LOOK_EVERY_S = 0.1
"""How often a sleeping thread looks whether it is still wanted."""


def sleep_unless(called_off: Callable[[], bool], seconds: float) -> bool:
    """Sleep for *seconds*; answers False, and early, when *called_off* says so."""
    until = perf_counter() + seconds
    while not called_off():
        left_s = until - perf_counter()
        if left_s <= 0:
            return True
        time.sleep(min(left_s, _LOOK_EVERY_S))
    return False


async def until_ended(work: Future[Any], on_cancel: Callable[[], object]) -> None:
    """Wait until *work* has ended, whatever came of it.

    When this is cancelled, work that has not begun is dropped; a thread at work cannot be cancelled, so *on_cancel*
    asks it to end soon, and the cancellation goes on only once it has: nothing is left running.
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
                continue  # asked twice; the thread is no faster for it
        raise
