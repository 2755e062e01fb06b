"""How many items may be in flight inside an item: ``concurrency`` holds for a batch and all that are nested in it.

An item's share is a number, fixed when its batch begins: no batch waits for another's places, so none can deadlock.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_inside: ContextVar[int | None] = ContextVar("flowq_budget", default=None)


def places_here(wanted: int) -> int:
    """At most *wanted* items at once, as far as the batches around this one leave room."""
    inside = _inside.get()
    return wanted if inside is None else min(wanted, inside)


def share_of_an_item(concurrency: int | None, places: int, total: int | None) -> int | None:
    """What each item of a batch that begins here may have in flight inside itself; None: as much as it likes.

    Args:
        concurrency: of the batch's policy.
        places: its items that are in flight at once, at most.
        total: how many it has; None while that is not known.
    """
    given = [limit for limit in (concurrency, _inside.get()) if limit is not None]
    if not given:
        return None
    width = places if total is None else min(places, total)
    return max(1, min(given) // max(1, width))


@contextmanager
def lent(share: int | None) -> Iterator[None]:
    """What runs in the block may have so many items in flight inside itself."""
    token = _inside.set(share)
    try:
        yield
    finally:
        _inside.reset(token)
