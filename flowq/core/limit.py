"""The time limits of the call that runs: who knows of them may have the innermost begin anew, or end one.

Never the clock that enforces them.
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
        until_s: when it is over, in seconds since the epoch.
        end: lets it be over now.
    """

    until_s: Callable[[], float]
    end: Callable[[], object]


_again: ContextVar[Callable[[], object] | None] = ContextVar("flowq_time_limit", default=None)
_limits: ContextVar[tuple[Limit, ...]] = ContextVar("flowq_time_limits", default=())


@contextmanager
def limited(again: Callable[[], object], limit: Limit | None = None) -> Iterator[None]:
    """While the block runs its time limit begins anew whenever *again* is called; *limit*: of an async call."""
    outer, around = _again.get(), _limits.get()
    _again.set(again)
    if limit is not None:
        _limits.set((limit, *around))
    try:
        yield
    finally:
        _again.set(outer)
        _limits.set(around)


def begin_anew() -> None:
    """The time limit of the call that runs here, if there is one, counts from now."""
    again = _again.get()
    if again is not None:
        again()


def limits() -> tuple[Limit, ...]:
    """Those of the async calls around what runs here, the innermost first."""
    return _limits.get()
