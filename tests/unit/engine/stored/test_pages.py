"""How a batch's items are cut into pages."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from flowq.codec import dumps, loads, unsealed_bytes
from flowq.engine.ledger import Page
from flowq.engine.stored import pages
from flowq.engine.stored.pages import (
    APPEND_BYTES,
    APPENDS_GROW,
    FIRST_BYTES,
    PAGE_BYTES,
    PAGE_ITEMS,
    SHRINKS,
    Pager,
    page_bytes,
)


def test_every_slot_of_a_large_fleet_reads_a_small_page() -> None:
    assert [page_bytes(slots) // 1024 for slots in (0, 1, 16, 32, 100, 1000, 100_000)] == [256, 256, 256, 128, 40, 4, 4]


def cut(items: Sequence[Any], size_bytes: int = PAGE_BYTES) -> list[Page]:
    """The pages of *items*, which are all of them."""
    pages = [page for some, _ in Pager(items, 0, size_bytes) for page in some]
    assert [item for page in pages for item in loads(page.blob)] == items
    return pages


def test_pages_are_no_larger_than_they_are_to_be_and_hold_all_items_in_their_order() -> None:
    chance = random.Random(7)
    items = [chance.randbytes(chance.choice((10, 500, 20_000))) for _ in range(500)]
    for size_bytes in (4 * 1024, PAGE_BYTES):
        assert all(len(page.blob) <= size_bytes or page.n == 1 for page in cut(items, size_bytes))


def test_a_sequence_is_written_in_few_steps_the_first_of_which_is_small() -> None:
    steps = list(Pager(range(100_000)))
    sizes = [sum(len(page.blob) for page in pages) for pages, _ in steps]
    assert [last for _, last in steps] == [False] * (len(steps) - 1) + [True]
    assert FIRST_BYTES <= sizes[0] < 2 * FIRST_BYTES
    for step, size in enumerate(sizes[1:-1], 1):
        wanted = min(APPEND_BYTES, FIRST_BYTES * APPENDS_GROW**step)
        assert wanted <= size < wanted + PAGE_BYTES
    assert max(page.n for pages, _ in steps for page in pages) == PAGE_ITEMS


def test_a_sequence_of_few_items_is_written_in_one_step_and_an_empty_one_has_no_page() -> None:
    assert [(len(pages), last) for pages, last in Pager([1, 2, 3])] == [(1, True)]
    assert list(Pager([])) == [([], True)]


def test_large_items_are_not_encoded_again_and_again(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def counted(items: Sequence[Any]) -> bytes:
        encoded.append(len(items))
        return dumps(items)

    monkeypatch.setattr(pages, "dumps", counted)
    chance = random.Random(7)
    cut([chance.randbytes(100_000) for _ in range(50)])
    assert sum(encoded) <= 60


def test_items_that_are_large_only_together_are_cut_apart() -> None:
    cut([bytes([number]) * 2_000_000 for number in range(100)])


def test_a_page_of_items_that_compress_well_stays_small_in_memory() -> None:
    items = ["the quick brown fox " * 5000 + str(number) for number in range(2000)]
    assert max(unsealed_bytes(page.blob) for page in cut(items)) <= SHRINKS * PAGE_BYTES
