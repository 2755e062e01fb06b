"""How many items the next chunk should hold: pure arithmetic, no clock and no state.

Guided self-scheduling after Polychronopoulos and Kuck (1987), sized by the time the items were seen to take. How the
last chunks are cut down, so that all slots end together, the ledger decides (`take_range` in engine/lua/lib.lua).
"""

from __future__ import annotations

import math

BUDGET_S = 0.2
"""Seconds that one chunk should run: long beside what a message costs, short beside a person's patience."""

GROWTH = 32
"""A chunk holds at most so many times the items of the one before it: one lucky item must not hide slow ones."""

SHORTEST_S = 0.003
"""Seconds that a chunk should run at the least. To carry it, which is to claim and to commit it, costs about 1 ms."""

CHUNK_BYTES = 4 * 1024 * 1024
"""What the items of a chunk bring is to take no more, before it is compressed: who reads it has it all in memory."""

FILLING = 8
"""So many chunks may take to fill the places of a process: it can hold 100."""

FEW_ITEMS = 8192
"""So many short items are written in one go."""

FIRST_CHUNKS = 4
"""Chunks that a slot may get of more items than that."""

OVERSTAY = 4
"""A chunk that runs so many times its budget gives the rest of its items back."""


def next_size(
    last: int,
    items_done: int,
    seconds: float,
    *,
    budget_s: float = BUDGET_S,
    growth: int = GROWTH,
) -> int:
    """Items for the next chunk, from what the last one showed.

    Args:
        last: items the last chunk was given (≥ 1).
        items_done: items it finished; 0 tells nothing and keeps the size.
        seconds: time they took.
        budget_s: what the next chunk should take.
        growth: at most so many times *last*.

    Returns:
        At least 1.
    """
    if items_done <= 0:
        return max(1, last)
    fits = budget_s * items_done / max(seconds, 1e-9)
    return max(1, min(last * growth, int(fits)))


def floor_size(items_done: int, seconds: float, *, shortest_s: float = SHORTEST_S) -> int:
    """The fewest items that run for *shortest_s*, so that carrying them is worth it (1 when nothing is known)."""
    if items_done <= 0:
        return 1
    return max(1, math.ceil(shortest_s * items_done / max(seconds, 1e-9)))


def first_floor(floor: int, total: int, slots: int) -> int:
    """The fewest items of a chunk of a new batch of *total* items, of which *floor* were worth it in another batch.

    They may be slower than those: each slot gets some of them. Of more than a few the first chunks are smaller, so that
    they are there before all items are written.
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
    """Chunks that a rate of *per_s* items of *item_s* seconds keeps busy, *places* items at once in each.

    Twice as many as it takes on the mean, and one more, so that a slow item or a lost worker does not lower the rate.
    """
    return max(2, math.ceil(2 * per_s * item_s / max(1, places)) + 1)


def overstay(elapsed_s: float, *, budget_s: float = BUDGET_S) -> bool:
    """Whether a chunk has run so long that the rest of its items is better given back."""
    return elapsed_s > OVERSTAY * budget_s
