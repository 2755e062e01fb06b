"""Which parts of a reducing batch are read together."""

from __future__ import annotations

from flowq.engine.ending.parts import READ_FIELDS, READ_ITEMS, together


def test_parts_come_in_item_order_and_no_more_of_them_at_once_than_told() -> None:
    fields = [f"0:{at * 100}-{at * 100 + 100}" for at in range(200)]
    groups = list(together(fields))
    assert [field for group in groups for field in group] == fields
    assert all(len(group) * 100 <= READ_ITEMS and len(group) <= READ_FIELDS for group in groups)


def test_what_stands_over_another_stays_with_it_in_that_order() -> None:
    fields = ["0:0-5000", "0:5000-10000", "0:7-8~1", "1:4000-5500"]
    assert list(together(fields)) == [["0:0-5000", "0:5000-10000", "0:7-8~1", "1:4000-5500"]]


def test_no_parts_make_no_group() -> None:
    assert list(together([])) == []
