"""Every row of the table of features has a test, every such test a row, and the page in the documents is up to date."""

from __future__ import annotations

from tests.features import table


def test_every_row_has_a_test() -> None:
    assert sorted(table.rows().keys() - table.tests().keys()) == []


def test_every_test_of_a_row_has_one() -> None:
    assert sorted(table.tests().keys() - table.rows().keys()) == []


def test_the_page_is_up_to_date() -> None:
    assert table.PAGE.read_text(encoding="utf-8") == table.page(), "run `make features` and commit the page"
