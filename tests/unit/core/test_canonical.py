"""Canonical bytes: equal exactly when the values are."""

from __future__ import annotations

import array
import dataclasses
import datetime as dt
import enum
import ipaddress
import sys
import threading
from collections import Counter, OrderedDict, defaultdict, deque
from decimal import Decimal
from fractions import Fraction
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from flowq.core.spec.canonical import canonical
from flowq.errors import CannotTravel
from tests.programs import printed_by_processes
from tests.unit.codec.shapes import TEXT_TYPECODE


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
    2**1023,
    -(2**1023),
    10**5000,
    -(10**5000),
    10**5000 + 1,
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
    Counter(),
    Counter("a"),
    Counter("aa"),
    Counter({"a": 1.0}),
    OrderedDict(),
    OrderedDict({"a": 1}),
    OrderedDict({"a": 1, "b": 2}),
    OrderedDict({"b": 2, "a": 1}),
    defaultdict(None),
    defaultdict(list),
    defaultdict(set),
    defaultdict(list, {"a": 1}),
    deque(),
    deque([1, 2]),
    deque([2, 1]),
    deque([1, 2], maxlen=2),
    range(0),
    range(1),
    range(2),
    range(0, 4, 2),
    range(0, -4, -2),
    range(10**40),
    1j,
    0j,
    complex(-0.0, 0.0),
    complex(1, 0),
    complex("nan"),
    Fraction(1),
    Fraction(1, 3),
    Fraction(10**5000, 3),
    array.array("i", [1]),
    array.array("l", [1]),
    array.array("d", [1]),
    array.array("i"),
    BERLIN,
    UTC,
    dt.timezone(dt.timedelta(hours=1)),
    dt.timezone(dt.timedelta(hours=1), "Europe/Berlin"),
    ipaddress.ip_address("1.2.3.4"),
    ipaddress.ip_interface("1.2.3.4/32"),
    ipaddress.ip_network("1.2.3.4/32"),
    ipaddress.ip_address("::102:304"),
    ipaddress.ip_address("::1"),
    ipaddress.ip_address("::1%eth0"),
    [None, Fraction(1)],
    [False, 1j],
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


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Counter("ab"), Counter("ba")),
        (Counter({"a": 1, "b": 0}), Counter("a")),
        (defaultdict(list, {"a": 1, "b": 2}), defaultdict(list, {"b": 2, "a": 1})),
        (range(0), range(7, 3)),
        (range(0, 3, 2), range(0, 4, 2)),
        (range(5, 6), range(5, 9, 100)),
        (range(0, 10**40, 10**39), range(0, 10**40 - 1, 10**39)),
        (complex("nan"), complex("-nan")),
        (Fraction(2, 6), Fraction(1, 3)),
        (ipaddress.ip_address("::0"), ipaddress.ip_address("0:0::")),
        (dt.timezone(dt.timedelta(0)), dt.UTC),
        (ZoneInfo.no_cache("Europe/Berlin"), BERLIN),
    ],
    ids=lambda one: type(one).__name__,
)
def test_equal_values_have_equal_bytes_however_they_were_made(one: Any, other: Any) -> None:
    assert canonical(one) == canonical(other)


def test_an_array_has_the_same_bytes_on_machines_of_either_order(monkeypatch: pytest.MonkeyPatch) -> None:
    here = canonical(array.array("h", [1, -2]))
    turned = array.array("h", [1, -2])
    turned.byteswap()
    monkeypatch.setattr(sys, "byteorder", "big")
    assert canonical(turned) == here


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
    code = "from flowq.core.spec.canonical import canonical; print(canonical({'a', 'b', 'c', 1, None, (2, 'x')}).hex())"
    assert len(printed_by_processes(code)) == 1


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"user": [Point(lambda: 1)]}, r"^config\['user'\]\[0\]\.x cannot travel to the workers: .* is a function"),
        ([1, threading.Lock()], r"^config\[1\] cannot travel to the workers: _thread:lock is not data"),
        ({threading.main_thread(): 1}, "^a key of config cannot travel"),
        (Counter({"a": threading.Lock()}), r"^config\['a'\] cannot travel"),
        (deque([threading.Lock()]), r"^config\[0\] cannot travel"),
        (defaultdict(lambda: 1), "^the factory of config cannot travel to the workers: .* is a function"),
        (array.array(TEXT_TYPECODE, "a"), r"^config cannot travel .*value\.tounicode\(\)"),
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
