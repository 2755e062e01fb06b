"""The time limit of the call that runs: who knows of it may have it begin anew. Never the clock that enforces it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_again: ContextVar[Callable[[], object] | None] = ContextVar("flowq_time_limit", default=None)


@contextmanager
def limited(again: Callable[[], object]) -> Iterator[None]:
    """While the block runs its time limit begins anew whenever *again* is called."""
    outer = _again.get()
    _again.set(again)
    try:
        yield
    finally:
        _again.set(outer)


def begin_anew() -> None:
    """The time limit of the call that runs here, if there is one, counts from now."""
    again = _again.get()
    if again is not None:
        again()
