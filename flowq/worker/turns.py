"""Turns: for each of some numbers, one process and one thread of it at a time. A process that dies releases its turn.

A turn avoids duplicate work but guards nothing: one that has waited long enough proceeds without.
"""

from __future__ import annotations

import fcntl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

FIRST_PAUSE_S = 0.00005
LONGEST_PAUSE_S = 0.005


class Turns:
    """Numbers from 0 to *count* - 1, as locks on single bytes of a file that processes share by forking.

    Args:
        fd: of the file; must stay open while anyone has a turn.
    """

    def __init__(self, fd: int, count: int) -> None:
        self._fd = fd
        # The kernel's locks belong to processes: they do not exclude threads of the same process.
        self._threads = [threading.Lock() for _ in range(count)]

    @contextmanager
    def turn(self, number: int, wait_s: float) -> Iterator[bool]:
        """Wait at most *wait_s* seconds for *number* to be free; yields whether this thread has it alone."""
        deadline = time.monotonic() + wait_s
        thread_lock = self._threads[number]
        if not thread_lock.acquire(timeout=wait_s):
            yield False
            return
        try:
            alone = self._lock(number, deadline)
            try:
                yield alone
            finally:
                if alone:
                    with suppress(OSError):  # an item's code closed the file, and all its locks with it
                        fcntl.lockf(self._fd, fcntl.LOCK_UN, 1, number)
        finally:
            thread_lock.release()

    def _lock(self, number: int, deadline: float) -> bool:
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                fcntl.lockf(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
            except (BlockingIOError, PermissionError):
                if time.monotonic() >= deadline:
                    return False
            except OSError:  # the file system has no locks
                return False
            else:
                return True
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
