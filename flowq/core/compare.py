"""Whether two values are the same, for data that was copied or decoded. Never which of them to keep."""

from __future__ import annotations

from typing import Any


def same(first: Any, second: Any) -> bool:
    """Whether *first* and *second* are of one type and equal; NaN equals NaN, arrays are compared whole.

    Objects of a class without ``__eq__`` are compared by their attributes, since a copy of one is never *equal* to it.
    """
    return _same(first, second, set())


def _same(first: Any, second: Any, above: set[tuple[int, int]]) -> bool:
    if first is second:
        return True
    cls = type(first)
    if cls is not type(second):
        return False
    try:
        equal = first == second
        if equal is True:
            return True
        if not isinstance(equal, bool):
            return _form(first) == _form(second) and (
                _all_of(equal) or _all_of(equal | ((first != first) & (second != second)))  # NaN
            )
    except Exception:  # a list of arrays raises when it is compared; look inside instead
        pass
    pair = (id(first), id(second))
    if pair in above:  # a value that contains itself: equal if nothing else differs
        return True
    return _same_inside(first, second, above | {pair})


def _same_inside(first: Any, second: Any, above: set[tuple[int, int]]) -> bool:
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(_same(a, b, above) for a, b in zip(first, second, strict=True))
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(one, second[key], above) for key, one in first.items())
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
    """What an element-wise comparison (numpy, pandas) comes to."""
    for _ in range(3):  # a frame's .all() is a series, a series' .all() is a number
        if not hasattr(equal, "all"):
            break
        equal = equal.all()
    return bool(equal)
