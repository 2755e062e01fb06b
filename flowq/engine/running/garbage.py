"""How often the cyclic garbage collector runs while many items are in flight. Never enables or disables it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

OBJECTS_AN_ITEM = 10


@contextmanager
def collected_seldom(in_flight: int) -> Iterator[None]:
    """While the block runs, let garbage grow to the order of what is in flight before it is collected.

    The objects of waiting items are young and alive: with Python's threshold of 700 they were traversed over and over,
    which took a quarter of the time of a process with 1,000 items in flight.
    """
    young, *older = gc.get_threshold()
    if young:  # 0: the program has disabled collection
        gc.set_threshold(max(young, OBJECTS_AN_ITEM * in_flight), *older)
    try:
        yield
    finally:
        gc.set_threshold(young, *older)
