"""Cancelling the batch of a coroutine that was cancelled while a thread waits for that batch."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from flowq.engine.redis_client import REDIS_ERRORS
from flowq.errors import NoRedis

log = logging.getLogger("flowq")


class Cancellable(Protocol):
    """A batch."""

    @property
    def id(self) -> str: ...
    def cancel(self) -> None: ...


class Leaving:
    """One batch and whether its caller was cancelled, in either order."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: Cancellable | None = None
        self._has_left = False

    def waits_for(self, handle: Cancellable) -> None:
        """Set the batch; it is cancelled if the caller has left already."""
        with self._lock:
            self._handle = handle
        if self._has_left:
            _cancel(handle)

    def leave(self) -> None:
        """The caller was cancelled: cancel the batch, now or as soon as it is set. Returns at once."""
        with self._lock:
            self._has_left, handle = True, self._handle
        if handle is not None:
            # In a thread of its own: it starts however often the caller is cancelled, and the event loop never waits.
            threading.Thread(target=_cancel, args=(handle,), name="flowq-leave").start()


def _cancel(handle: Cancellable) -> None:
    with said_if_not_cancelled(handle):
        handle.cancel()


@contextmanager
def said_if_not_cancelled(handle: Cancellable) -> Iterator[None]:
    """Log it, with what to do, if the block cannot cancel *handle* because Redis does not answer."""
    try:
        yield
    except (NoRedis, *REDIS_ERRORS) as exc:
        log.warning("%s was not cancelled: Redis does not answer (%s). `flowq cancel` ends it", handle.id, exc)
