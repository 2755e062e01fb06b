"""Values as JSON, where they are printed: the form that a sink gives them, and text for what has none."""

from __future__ import annotations

import json
from array import array
from dataclasses import dataclass
from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import pytest
from pydantic import BaseModel

from flowq.batch.results.as_json import plain


class Page(BaseModel):
    url: str
    seen: date


@dataclass
class Found:
    pages: list[Page]
    by: object


class Crawler:
    def __str__(self) -> str:
        return "a crawler"


PAGE = Page(url="a", seen=date(2024, 5, 1))
SELF: list[Any] = []
SELF.append(SELF)


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (PAGE, {"url": "a", "seen": "2024-05-01"}),
        (Found([PAGE], Crawler()), {"pages": [{"url": "a", "seen": "2024-05-01"}], "by": "a crawler"}),
        ({(1, 2): Fraction(1, 3)}, {"1,2": "1/3"}),
        ([range(3), array("i", [1]), {4}], [[0, 1, 2], [1], [4]]),
        (range(10**9), "range(0, 1000000000)"),
        (UTC, "UTC"),
        (datetime(2024, 5, 1, tzinfo=UTC), "2024-05-01T00:00:00Z"),
        (b"\xff", "b'\\xff'"),
        (SELF, "[[...]]"),
        (10**30, 10**30),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_value_can_be_printed(value: Any, written: Any) -> None:
    assert json.loads(json.dumps(plain(value))) == written
