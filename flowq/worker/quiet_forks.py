"""Delaying forks of the main process until its pulse thread is between two beats.

A fork copies every lock as it is: one that the thread holds at that moment would stay locked for ever in the child.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

WAITS_AT_MOST_S = 2.0  # a beat that waits for an absent Redis must not keep a dead process from being replaced


class QuietForks:
    """The fork hooks of one worker's main process; registered for its lifetime."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_held = False

    def register(self) -> None:
        """Register the hooks: from now on forks of this process wait for ``busy`` blocks."""
        os.register_at_fork(before=self._before, after_in_parent=self._after, after_in_child=self._renew)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Delay forks while the block runs, but for 2 s at most."""
        with self._lock:
            yield

    def _before(self) -> None:
        self._is_held = self._lock.acquire(timeout=WAITS_AT_MOST_S)

    def _after(self) -> None:
        if self._is_held:
            self._lock.release()

    def _renew(self) -> None:
        self._lock = threading.Lock()
