"""Chunk sizes: pure functions for the number of items of the next chunk.

Guided self-scheduling after Polychronopoulos and Kuck (1987), sized by the measured duration of items. The ledger
reduces the last chunks so that all slots end together (`take_range` in engine/lua/lib.lua).
"""

from __future__ import annotations

import math

BUDGET_S = 0.2
"""Target duration of a chunk in seconds: long compared to the cost of a message, short for a person who waits."""

GROWTH = 32
"""Largest factor from one chunk size to the next, as one fast item says little about the others."""

SHORTEST_S = 0.003
"""Least duration of a chunk in seconds. Claiming and committing it costs about 1 ms."""

CHUNK_BYTES = 4 * 1024 * 1024
"""What the items of a chunk bring is to take no more, before it is compressed: who reads it has it all in memory."""

FILLING = 8
"""So many chunks may take to fill the places of a process: it can hold 100."""

FEW_ITEMS = 8192
"""Number of short items that are written at once."""

FIRST_CHUNKS = 4
"""Number of first chunks per slot of a batch with more items than ``FEW_ITEMS``."""

OVERSTAY = 4
"""A chunk that runs this many times its budget gives back the rest of its items."""


def next_size(
    last: int,
    items_done: int,
    seconds: float,
    *,
    budget_s: float = BUDGET_S,
    growth: int = GROWTH,
) -> int:
    """The number of items for the next chunk, computed from the last one.

    Args:
        last: number of items given to the last chunk (≥ 1).
        items_done: number of items it finished; 0 keeps the size.
        seconds: time they took.
        budget_s: target duration of the next chunk.
        growth: largest factor from *last*.

    Returns:
        At least 1.
    """
    if items_done <= 0:
        return max(1, last)
    fits = budget_s * items_done / max(seconds, 1e-9)
    return max(1, min(last * growth, int(fits)))


def floor_size(items_done: int, seconds: float, *, shortest_s: float = SHORTEST_S) -> int:
    """The fewest items that run for *shortest_s*, so that a chunk is worth its cost (1 if nothing is known)."""
    if items_done <= 0:
        return 1
    return max(1, math.ceil(shortest_s * items_done / max(seconds, 1e-9)))


def first_floor(floor: int, total: int, slots: int) -> int:
    """The fewest items per chunk of a new batch of *total* items, given the *floor* of an earlier batch of the node.

    Items may be slower than in that batch: each slot gets some of them. In a batch of more than ``FEW_ITEMS`` per slot
    the first chunks are smaller, so that they start before all items are written.
    """
    share = total // max(1, slots)
    return max(1, min(floor, share, max(FEW_ITEMS, share // FIRST_CHUNKS)))


def weighed(items: int, items_done: int, size_bytes: int, places: int, *, most_bytes: int = CHUNK_BYTES) -> int:
    """*items*, or fewer where what *items_done* of them brought, *size_bytes*, shows that so many would be too large.

    Of items that run side by side, in so many *places* of a process, a few chunks are to fill them.
    """
    if not size_bytes:
        return items
    return min(items, max(1, places // FILLING, most_bytes * items_done // size_bytes))


def busy_chunks(per_s: float, item_s: float, places: int) -> int:
    """The number of chunks needed for a rate of *per_s* items of *item_s* seconds, with *places* items at once in each.

    Twice the average need plus one, so that a slow item or a lost worker does not lower the rate.
    """
    return max(2, math.ceil(2 * per_s * item_s / max(1, places)) + 1)


def overstay(elapsed_s: float, *, budget_s: float = BUDGET_S) -> bool:
    """Whether a chunk has run so long that it should give back the rest of its items."""
    return elapsed_s > OVERSTAY * budget_s
