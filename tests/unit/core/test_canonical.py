"""Canonical bytes: equal exactly when the values are."""

from __future__ import annotations

import dataclasses
import datetime as dt
import enum
import threading
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from flowq.core.canonical import canonical
from flowq.errors import CannotTravel
from tests.programs import printed_by_processes


class Color(enum.Enum):
    RED = 1
    BLUE = 2


@dataclasses.dataclass
class Point:
    x: Any
    y: Any = None


@dataclasses.dataclass
class Other:
    x: Any
    y: Any = None


class Model(BaseModel):
    x: int = 0


UTC = dt.UTC
BERLIN = ZoneInfo("Europe/Berlin")

# All different from one another.
DISTINCT: list[Any] = [
    None,
    True,
    1,
    1.0,
    "1",
    b"1",
    bytearray(b"1"),
    0.0,
    -0.0,
    float("nan"),
    10**40,
    [],
    (),
    {},
    set(),
    frozenset(),
    ["ab", "c"],
    ["a", "bc"],
    [["a"], "b"],
    ["a", ["b"]],
    {"a": 1},
    {"a": "1"},
    {1: "a"},
    {"a": {"b": 1}},
    {1},
    frozenset({1}),
    dt.datetime(2024, 10, 27, 2, 30),
    dt.datetime(2024, 10, 27, 2, 30, fold=1),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=UTC),
    dt.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN),
    dt.date(2024, 10, 27),
    dt.time(2, 30),
    dt.timedelta(hours=2),
    Decimal("1"),
    Decimal("1.0"),
    UUID(int=1),
    PurePosixPath("/a"),
    Color.RED,
    Color.BLUE,
    Point(1),
    Point(1, 2),
    Other(1),
    Model(x=1),
    Model(x=2),
    ValueError("x"),
    KeyError("x"),
    ValueError,
]


def test_values_that_differ_in_value_or_type_have_different_bytes() -> None:
    encoded = [canonical(value) for value in DISTINCT]
    assert len(set(encoded)) == len(DISTINCT)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


def in_reverse(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: in_reverse(one) for key, one in reversed(value.items())}
    return [in_reverse(one) for one in value] if isinstance(value, list) else value


@given(plain)
def test_the_order_of_a_dict_does_not_matter(value: Any) -> None:
    assert canonical(value) == canonical(in_reverse(value))


@given(plain, plain)
def test_equal_bytes_mean_equal_values(first: Any, second: Any) -> None:
    if canonical(first) == canonical(second):
        assert first == second


def test_sets_have_the_same_bytes_in_every_process() -> None:
    code = "from flowq.core.canonical import canonical; print(canonical({'a', 'b', 'c', 1, None, (2, 'x')}).hex())"
    assert len(printed_by_processes(code)) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"user": [Point(lambda: 1)]}, r"^config\['user'\]\[0\]\.x cannot travel to the workers: .* is a function"),
        ([1, threading.Lock()], r"^config\[1\] cannot travel to the workers: _thread:lock is not data"),
        ({threading.main_thread(): 1}, "^a key of config cannot travel"),
    ],
)
def test_what_is_not_data_is_refused_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(CannotTravel, match=message):
        canonical(value, "config")


def test_a_value_that_contains_itself_is_refused() -> None:
    knot: list[Any] = []
    knot.append(knot)
    with pytest.raises(CannotTravel, match="contains itself"):
        canonical(knot)


def test_a_subclass_of_a_plain_type_is_not_taken_for_it() -> None:
    class Fancy(dict[str, int]):
        pass

    with pytest.raises(CannotTravel):
        canonical(Fancy())
