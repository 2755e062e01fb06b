"""The share of each item in its batch's ``concurrency``, which limits a batch together with those nested in it.

An item's share is a number fixed when its batch starts: no batch waits for places of another, so none can deadlock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_inside: ContextVar[int | None] = ContextVar("flowq_budget", default=None)


def places_here(wanted: int) -> int:
    """*wanted* items at once, limited by the share of the enclosing item."""
    inside = _inside.get()
    return wanted if inside is None else min(wanted, inside)


def share_of_an_item(concurrency: int | None, places: int, total: int | None) -> int | None:
    """The number of items that each item of a new batch may have in flight inside itself; None for no limit.

    Args:
        concurrency: ``concurrency`` of the batch's policy.
        places: the most items of the batch in flight at once.
        total: number of its items; None if not known yet.
    """
    given = [limit for limit in (concurrency, _inside.get()) if limit is not None]
    if not given:
        return None
    width = places if total is None else min(places, total)
    return max(1, min(given) // max(1, width))


@contextmanager
def within_share(share: int | None) -> Iterator[None]:
    """Set the share of the item that runs in the block."""
    token = _inside.set(share)
    try:
        yield
    finally:
        _inside.reset(token)
