"""Turns: one process, and one thread of it, at a time for each of some numbers. Whoever dies has had its turn.

A turn is good manners and guards nothing: who has waited long enough goes on without.
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
    """Numbers from 0 to below *count*, as locks on single bytes of a file that processes share by forking.

    Args:
        fd: of the file; closed by nobody as long as somebody has a turn.
    """

    def __init__(self, fd: int, count: int) -> None:
        self._fd = fd
        # The kernel's locks belong to processes: it lets threads of one process in together.
        self._threads = [threading.Lock() for _ in range(count)]

    @contextmanager
    def turn(self, number: int, wait_s: float) -> Iterator[bool]:
        """Wait for *number* to be free, for *wait_s* seconds at most; whether this thread has it alone now."""
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
            except OSError:  # this file system knows no locks
                return False
            else:
                return True
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
