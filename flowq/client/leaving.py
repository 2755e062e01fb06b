"""A caller in an event loop that is cancelled while a thread waits for its batch: the batch ends. Never who waits."""

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
    """One batch and whether its caller has left, whichever is known first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handle: Cancellable | None = None
        self._has_left = False

    def waits_for(self, handle: Cancellable) -> None:
        """This is the batch; it is cancelled if the caller has left by now."""
        with self._lock:
            self._handle = handle
        if self._has_left:
            _cancel(handle)

    def leave(self) -> None:
        """The caller has left: the batch is cancelled, now or as soon as there is one. Returns at once."""
        with self._lock:
            self._has_left, handle = True, self._handle
        if handle is not None:
            # A thread of its own: it is begun however often the caller is cancelled, and an event loop waits for none.
            threading.Thread(target=_cancel, args=(handle,), name="flowq-leave").start()


def _cancel(handle: Cancellable) -> None:
    with said_if_not_cancelled(handle):
        handle.cancel()


@contextmanager
def said_if_not_cancelled(handle: Cancellable) -> Iterator[None]:
    """The block cancels *handle*; that Redis does not answer is logged, with what to do."""
    try:
        yield
    except (NoRedis, *REDIS_ERRORS) as exc:
        log.warning("%s was not cancelled: Redis does not answer (%s). `flowq cancel` ends it", handle.id, exc)
