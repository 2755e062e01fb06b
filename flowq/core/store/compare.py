"""Equality of two values, for data that was copied or decoded."""

from __future__ import annotations

from array import array
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Any

# What must be equal besides ==: properties of a container that its == may ignore and its users would notice.
_BESIDE: dict[type, Callable[[Any], Any]] = {
    Counter: lambda value: value.keys(),  # == ignores counts of 0
    defaultdict: lambda value: value.default_factory,
    deque: lambda value: value.maxlen,
    array: lambda value: value.typecode,
    OrderedDict: list,  # with a NaN or an array inside, == returns or raises before it compares the order
}


def same(first: Any, second: Any) -> bool:
    """Whether *first* and *second* have the same type and are equal; NaN equals NaN, arrays are compared as a whole.

    Objects of a class without ``__eq__`` are compared by their attributes, since a copy never equals its original.
    """
    return _same(first, second, set())


def _same(first: Any, second: Any, above: set[tuple[int, int]]) -> bool:
    if first is second:
        return True
    cls = type(first)
    if cls is not type(second):
        return False
    if cls in _BESIDE and _BESIDE[cls](first) != _BESIDE[cls](second):
        return False
    try:
        equal = first == second
        if equal is True:
            return True
        if not isinstance(equal, bool):
            return _form(first) == _form(second) and (
                _all_of(equal) or _all_of(equal | ((first != first) & (second != second)))  # NaN
            )
    except Exception:  # comparing lists of arrays raises; compare their elements instead
        pass
    pair = (id(first), id(second))
    if pair in above:  # a value that contains itself: equal unless something else differs
        return True
    return _same_inside(first, second, above | {pair})


def _same_inside(first: Any, second: Any, above: set[tuple[int, int]]) -> bool:
    if isinstance(first, list | tuple | deque):
        return len(first) == len(second) and all(_same(a, b, above) for a, b in zip(first, second, strict=True))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(one, second[key], above) for key, one in first.items())
    if isinstance(first, array):
        return bool(first.tobytes() == second.tobytes())  # NaN
    if isinstance(first, float | complex):
        return bool(first != first and second != second)  # NaN
    if not _defines_equality(type(first)) and hasattr(first, "__dict__"):
        return _same(vars(first), vars(second), above)
    return False


def _defines_equality(cls: type) -> bool:
    return any("__eq__" in vars(base) for base in cls.__mro__[:-1])  # all but object


def _form(array: Any) -> tuple[Any, Any]:
    return getattr(array, "shape", None), getattr(array, "dtype", None)


def _all_of(equal: Any) -> bool:
    """Whether an element-wise comparison (numpy, pandas) is true for all elements."""
    for _ in range(3):  # DataFrame.all() returns a Series, Series.all() a number
        if not hasattr(equal, "all"):
            break
        equal = equal.all()
    return bool(equal)
