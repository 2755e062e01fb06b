"""How often the cyclic garbage collector looks while many items are in flight. Never switches it on or off."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_AN_ITEM = 10


@contextmanager
def collected_seldom(in_flight: int) -> Iterator[None]:
    """While the block runs, garbage may grow to about what is in flight anyway before it is collected.

    The objects of items that wait are young and alive: by Python's own threshold of 700 they are looked through over
    and over, which took a quarter of the time of a process with 1,000 items in flight.
    """
    young, *older = gc.get_threshold()
    if young:  # 0: the program has switched it off
        gc.set_threshold(max(young, OBJECTS_AN_ITEM * in_flight), *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)
