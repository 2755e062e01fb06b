"""Whether two values are the same."""

from __future__ import annotations

import copy
from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowq.core.store.compare import same

plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=8,
)


class Bare:
    def __init__(self, x: Any) -> None:
        self.x = x


class Column:
    """Compares element by element, as an array does."""

    def __init__(self, *values: int) -> None:
        self.values = values

    def __eq__(self, other: object) -> Any:
        assert isinstance(other, Column)
        return Flags([a == b for a, b in zip(self.values, other.values, strict=True)])

    __hash__ = None  # type: ignore[assignment]


class Flags:
    def __init__(self, flags: list[bool]) -> None:
        self.flags = flags

    def all(self) -> bool:
        return all(self.flags)

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")


@given(plain)
def test_a_copy_is_the_same(value: Any) -> None:
    assert same(value, copy.deepcopy(value))


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (1, True, False),
        (1, 1.0, False),
        (float("nan"), float("nan"), True),
        ([float("nan")], [float("nan")], True),
        ({"a": [1]}, {"a": [2]}, False),
        ({"a": 1}, {"b": 1}, False),
        ([1, 2], [1], False),
        (Bare([1]), Bare([1]), True),
        (Bare([1]), Bare([2]), False),
        (object(), object(), False),
        (Column(1, 2), Column(1, 2), True),
        (Column(1, 2), Column(1, 3), False),
        ([Column(1, 2)], [Column(1, 2)], True),
        ({"c": Column(1)}, {"c": Column(2)}, False),
        (Counter("a"), {"a": 1}, False),
        (Counter("ab"), Counter("ba"), True),
        (Counter("a"), Counter({"a": 1, "b": 0}), False),
        (OrderedDict({1: 2, 3: 4}), OrderedDict({3: 4, 1: 2}), False),
        (OrderedDict({1: float("nan"), 3: 4}), OrderedDict({1: float("nan"), 3: 4}), True),
        (OrderedDict({1: float("nan"), 3: 4}), OrderedDict({3: 4, 1: float("nan")}), False),
        (defaultdict(list, a=[Column(1)]), defaultdict(list, a=[Column(1)]), True),
        (defaultdict(list), defaultdict(None), False),
        (deque([Column(1)], 3), deque([Column(1)], 3), True),
        (deque([1]), deque([1], 3), False),
        (deque([1, 2]), deque([2, 1]), False),
        (array("d", [float("nan")]), array("d", [float("nan")]), True),
        (array("d", [float("nan"), 1]), array("d", [float("nan"), 2]), False),
        (array("d", [0.0]), array("d", [-0.0]), True),
        (array("i", [1]), array("l", [1]), False),
        (range(3), range(3), True),
        (complex("nan"), complex("nan"), True),
    ],
)
def test_sameness(first: Any, second: Any, expected: bool) -> None:
    assert same(first, second) is expected


def test_values_that_contain_themselves_can_be_compared() -> None:
    def knot(x: int) -> list[Any]:
        loop: list[Any] = [x, Column(1)]
        loop.append(loop)
        return loop

    assert same(knot(1), knot(1))
    assert not same(knot(1), knot(2))


def test_arrays_are_the_same_with_their_nans_shape_and_type() -> None:
    numpy = pytest.importorskip("numpy")
    array = numpy.array([[1.0, numpy.nan], [2.0, 3.0]])
    assert same(array, array.copy())
    assert same({"a": [array]}, {"a": [array.copy()]})
    assert not same(array, array.ravel())
    assert not same(array, array + 1)
    assert not same(numpy.arange(3), numpy.arange(3.0))
    assert same(numpy.float64("nan"), numpy.float64("nan"))
