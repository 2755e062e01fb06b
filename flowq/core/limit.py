"""The time limits of the current calls, as context variables: the innermost can be restarted, any async one ended.

They are enforced in drive.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, eq=False, slots=True)
class Limit:
    """The time limit of an async call.

    Attributes:
        until_s: returns the time it expires, in seconds since the epoch.
        end: makes it expire now.
    """

    until_s: Callable[[], float]
    end: Callable[[], object]


_again: ContextVar[Callable[[], object] | None] = ContextVar("flowq_time_limit", default=None)
_limits: ContextVar[tuple[Limit, ...]] = ContextVar("flowq_time_limits", default=())


@contextmanager
def limited(again: Callable[[], object], limit: Limit | None = None) -> Iterator[None]:
    """Inside the block, :func:`restart_limit` calls *again* to restart the limit; *limit*: that of an async call."""
    outer, around = _again.get(), _limits.get()
    _again.set(again)
    if limit is not None:
        _limits.set((limit, *around))
    try:
        yield
    finally:
        _again.set(outer)
        _limits.set(around)


def restart_limit() -> None:
    """Restart the time limit of the current call, if it has one."""
    again = _again.get()
    if again is not None:
        again()


def limits() -> tuple[Limit, ...]:
    """The time limits of the enclosing async calls, the innermost first."""
    return _limits.get()
