"""How a chunk is named in its message, for Flower."""

from __future__ import annotations

import pytest

from flowq.engine.batches import Header
from flowq.engine.dispatch import items_repr

HEADER = Header("photos-1", "photos", "Nightly.Resize", "flowq", None, b"")


@pytest.mark.parametrize(
    ("chunk_id", "said"),
    [("0:400-500", "photos · items 400–499"), ("0:7-8", "photos · item 7"), ("2:7-8~3", "photos · item 7")],
)
def test_a_chunk_reads_as_the_batch_and_its_items(chunk_id: str, said: str) -> None:
    assert items_repr(HEADER, chunk_id) == said
