"""Background: the thread of a submitted batch or run. A program does not exit before it has ended, or merely stands."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # its exit function must be registered before the one below
import logging
import platform
import threading
from collections.abc import Callable

LOOK_EVERY_S = 0.02

_log = logging.getLogger("flowq.batch")


class Background(threading.Thread):
    """A thread that may outlive the main thread.

    Args:
        run: called in it.
        stands: whether it waits for what only the rest of the program can do, such as send an event.
    """

    def __init__(self, run: Callable[[], None], name: str, stands: Callable[[], bool] = lambda: False) -> None:
        super().__init__(target=run, name=name)
        self.stands = stands


def nobody_else_is_left() -> bool:
    """Whether the main thread has ended, and every other thread that keeps the program alive stands."""
    main = threading.main_thread()
    return not main.is_alive() and all(
        one is main or one.daemon or (isinstance(one, Background) and one.stands()) for one in threading.enumerate()
    )


def _finish() -> None:
    """Wait for what still works, as the main thread ends."""
    working = [one for one in threading.enumerate() if isinstance(one, Background) and not one.stands()]
    if working and not _threads_begin():
        _log.warning(
            "Python %s starts no threads once the main thread has ended, and what was submitted may need some: wait "
            "for it (`handle.wait()`) before the program ends, or use Python 3.12.2 or later",
            platform.python_version(),
        )
    for one in working:
        while one.is_alive() and not one.stands():
            one.join(LOOK_EVERY_S)


def _threads_begin() -> bool:
    """Whether threads can be started; not in 3.12.0 and 3.12.1 as the main thread ends (CPython's issue 113964)."""
    try:
        threading.Thread(target=lambda: None, daemon=True).start()
    except RuntimeError:
        return False
    return True


# Python ends its thread pools, in which blocking methods and items run, before it waits for other threads: what works
# must have ended by then. Only this function, which is not documented, registers something that is called before.
_before_the_pools_end = getattr(threading, "_register_atexit", None)
if _before_the_pools_end is not None:
    _before_the_pools_end(_finish)
