"""A time limit for a blocking call. Never here: limits of async calls, for which asyncio has its own.

In the main thread of a Unix process the call is interrupted, by SIGALRM. Elsewhere a thread cannot be interrupted: the
call runs to its end and is judged then, so that the answer is the same. A worker's parent kills what never ends.
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
    """Raised inside the call whose time is over. No Exception, so that no ``except Exception`` swallows it."""

    def __init__(self, guard: _Guard) -> None:
        super().__init__()
        self.guard = guard


class _Guard:
    """One call under a limit; nothing is raised for it unless it is open."""

    __slots__ = ("is_open", "timeout_s", "until")

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self.is_open = True
        self.begin()

    def begin(self) -> None:
        """Its time counts from now."""
        self.until = perf_counter() + self.timeout_s


class _Alarm:
    """The SIGALRM handler while calls are guarded, nested ones too: an item may run a batch of its own."""

    def __init__(self) -> None:
        self.guards: list[_Guard] = []

    def __call__(self, signum: int, frame: FrameType | None) -> None:
        now = perf_counter()
        # The outermost first: with its time the time of everything inside it is over.
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
    """``fn(*args)``, unless it takes longer than *timeout_s*.

    Raises:
        ItemTimeout: it took longer. In a thread other than the main one, or where the program uses SIGALRM
            itself, this is known only once the call has ended.
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
            # The timer goes off when it was set to, and is then set anew.
            with limited(guard.begin):
                return fn(*args)
        finally:
            # Closed before anything is tidied up: a signal that arrives later finds nothing to raise for, one
            # that arrives here is still caught below.
            guard.is_open = False
    except _Expired as expired:
        if expired.guard is not guard:
            raise
        raise ItemTimeout(timeout_s) from None
    finally:
        alarm.remove(guard)


def _alarm() -> _Alarm | None:
    """The handler to use here; None where a call cannot be interrupted."""
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return None
    current = signal.getsignal(signal.SIGALRM)
    if isinstance(current, _Alarm):
        return current
    unused = current == signal.SIG_DFL and signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    return _Alarm() if unused else None
