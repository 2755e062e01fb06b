"""What a chunk's id says: its generation, its items, which record of an item it is."""

from __future__ import annotations

import pytest

from flowq.engine.ids import generation, record, span, split_id


@pytest.mark.parametrize(
    ("chunk_id", "said"),
    [("0:0-1", (0, (0, 1), 0)), ("2:400-464", (2, (400, 464), 0)), ("11:7-8~3", (11, (7, 8), 3))],
)
def test_a_chunk_id_tells_its_generation_its_items_and_its_turn(
    chunk_id: str, said: tuple[int, tuple[int, int], int]
) -> None:
    assert (generation(chunk_id), span(chunk_id), record(chunk_id)) == said


@pytest.mark.parametrize(("chunk_id", "alone"), [("1:40-50", "1:42-43~1"), ("1:42-43~9", "1:42-43~10")])
def test_an_item_that_is_set_apart_has_the_next_turn(chunk_id: str, alone: str) -> None:
    assert split_id(chunk_id, 42) == alone
