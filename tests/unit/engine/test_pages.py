"""How a batch's items are cut into pages."""

from __future__ import annotations

import random

from flowq.codec import loads, unsealed_bytes
from flowq.engine.pages import PAGE_BYTES, SHRINKS, Pager, page_bytes


def test_every_slot_of_a_large_fleet_reads_a_small_page() -> None:
    assert [page_bytes(slots) // 1024 for slots in (0, 1, 16, 32, 100, 1000, 100_000)] == [256, 256, 256, 128, 40, 4, 4]


def test_pages_are_no_larger_than_they_are_to_be_and_hold_all_items_in_their_order() -> None:
    chance = random.Random(7)
    items = [chance.randbytes(chance.choice((10, 500, 20_000))) for _ in range(500)]
    for size_bytes in (4 * 1024, PAGE_BYTES):
        pages = list(Pager(items, 0, size_bytes))
        assert all(len(blob) <= size_bytes or n == 1 for n, blob, _ in pages)
        assert [item for _, blob, _ in pages for item in loads(blob)] == items
        assert [last for *_, last in pages] == [False] * (len(pages) - 1) + [True]


def test_items_that_are_large_only_together_are_cut_apart() -> None:
    items = [bytes([number]) * 2_000_000 for number in range(100)]
    pages = list(Pager(items))
    assert [item for _, blob, _ in pages for item in loads(blob)] == items


def test_a_page_of_items_that_compress_well_stays_small_in_memory() -> None:
    items = ["the quick brown fox " * 5000 + str(number) for number in range(2000)]
    pages = list(Pager(items))
    assert [item for _, blob, _ in pages for item in loads(blob)] == items
    assert max(unsealed_bytes(blob) for _, blob, _ in pages) <= SHRINKS * PAGE_BYTES
