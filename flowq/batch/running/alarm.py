"""Time limits for blocking calls; async calls use asyncio's.

In the main thread of a Unix process SIGALRM interrupts the call. Other threads cannot be interrupted: the call runs to
its end and then fails in the same way. A worker's main process kills a process whose call never ends.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from time import perf_counter
from types import FrameType
from typing import Any, TypeVar

from flowq.core.drive import ControlFlow
from flowq.core.limit import limited
from flowq.errors import ItemTimeout

T = TypeVar("T")


class _Expired(ControlFlow):
    """Raised inside a call that has timed out. Not an Exception, so that no ``except Exception`` catches it."""

    def __init__(self, guard: _Guard) -> None:
        super().__init__()
        self.guard = guard


class _Guard:
    """One call with a time limit; it can be interrupted only while it is open."""

    __slots__ = ("is_open", "timeout_s", "until")

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.is_open = True
        self.begin()

    def begin(self) -> None:
        """Start its time, or start it again."""
        self.until = perf_counter() + self.timeout_s


class _Alarm:
    """The SIGALRM handler for all guarded calls; they may nest, as an item may run a batch."""

    def __init__(self) -> None:
        self.guards: list[_Guard] = []

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        now = perf_counter()
        # The outermost first: if it has timed out, so has everything inside it.
        for guard in self.guards:
            if guard.is_open and guard.until <= now:
                raise _Expired(guard)
        self.set_timer()

    def set_timer(self) -> None:
        until = min((guard.until for guard in self.guards if guard.is_open), default=None)
        signal.setitimer(signal.ITIMER_REAL, 0.0 if until is None else max(until - perf_counter(), 1e-6))

    def install(self, guard: _Guard) -> None:
        self.guards = [each for each in self.guards if each.is_open]
        if not self.guards:
            signal.signal(signal.SIGALRM, self)
        self.guards.append(guard)
        self.set_timer()

    def remove(self, guard: _Guard) -> None:
        self.guards = [each for each in self.guards if each is not guard]
        self.set_timer()
        if not self.guards:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)


def call_within(timeout_s: float, fn: Callable[..., T], *args: Any) -> T:
    """Call ``fn(*args)`` with a time limit.

    Raises:
        ItemTimeout: the call took longer than *timeout_s*. In a thread other than the main one, or if the program uses
            SIGALRM itself, it is raised only when the call has ended.
    """
    alarm = _alarm()
    guard = _Guard(timeout_s)
    if alarm is None:
        with limited(guard.begin):
            value = fn(*args)
        if perf_counter() > guard.until:
            raise ItemTimeout(timeout_s)
        return value
    try:
        alarm.install(guard)
        try:
            # Restarting the limit does not change the timer: the handler sets it again when it fires.
            with limited(guard.begin):
                return fn(*args)
        finally:
            # Closed before the clean-up: the handler raises nothing for a later signal, and an exception from a
            # signal that arrives here is still caught below.
            guard.is_open = False
    except _Expired as expired:
        if expired.guard is not guard:
            raise
        raise ItemTimeout(timeout_s) from None
    finally:
        alarm.remove(guard)


def _alarm() -> _Alarm | None:
    """The handler for this thread; None if a call cannot be interrupted here."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return None
    current = signal.getsignal(signal.SIGALRM)
    if isinstance(current, _Alarm):
        return current
    unused = current == signal.SIG_DFL and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    return _Alarm() if unused else None
