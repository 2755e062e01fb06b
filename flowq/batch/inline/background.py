"""Background: the thread of a submitted batch or run. A program does not exit before it has ended, or merely stands.

It is cancelled instead if an exception or Ctrl-C ends the program.
"""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # its exit function must be registered before the one below
import logging
import platform
import sys
import threading
from collections.abc import Callable
from typing import Protocol

LOOK_EVERY_S = 0.02

_log = logging.getLogger("flowq.batch")


class Submitted(Protocol):
    """A batch or a run."""

    @property
    def id(self) -> str: ...
    def cancel(self) -> None: ...


class Background(threading.Thread):
    """A thread that may outlive the main thread.

    Args:
        run: called in it.
        what: what it runs.
        kind: "batch" or "run".
        stands: whether it waits for what only the rest of the program can do, such as send an event.
    """

    def __init__(
        self, run: Callable[[], None], what: Submitted, kind: str, stands: Callable[[], bool] = lambda: False
    ) -> None:
        super().__init__(target=run, name=f"flowq-{kind}-{what.id}")
        self.what, self.stands = what, stands

    def cancel(self) -> None:
        """Cancel what it runs, as the program has failed."""
        _log.warning(
            "the program ends before %s has ended, and cancels it: what runs of it ends first, unless you press Ctrl-C",
            self.what.id,
        )
        self.what.cancel()


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
    if has_failed():
        for one in working:
            one.cancel()
    for one in working:
        while one.is_alive() and not one.stands():
            one.join(LOOK_EVERY_S)


def has_failed() -> bool:
    """Whether an exception has ended the program, or one was shown at its prompt."""
    return getattr(sys, "last_type", None) is not None


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
