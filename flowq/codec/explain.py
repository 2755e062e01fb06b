"""Finds the path of the part that makes a value unencodable, by packing parts. Used only after a failure."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from typing import Any

from flowq.codec import classes
from flowq.codec.containers import MAPPINGS
from flowq.codec.pack import pack
from flowq.errors import EncodeError
from flowq.registry import LISTS

_MAX_STEPS = 60  # of a path; values nested deeper are refused anyway
_MAX_PATH = 400  # characters


def explain(value: Any, index: int | None = None) -> EncodeError | None:
    """The EncodeError of *value*, with the path of the first part that cannot be encoded; None if all of it can.

    Args:
        value: the value that could not be encoded.
        index: the item's index in its batch, for the message.

    Takes about twice the time of encoding for each level of the path.
    """
    reason = _failure(value)
    if reason is None:
        return None
    path, outer = "", [value]
    for _ in range(_MAX_STEPS):
        parts, step = _parts(value)
        at = _first_failing(parts)
        if at is None:
            break
        value, path = parts[at], path + step(at)
        if any(value is one for one in outer):
            return EncodeError(_shortened(path), "it contains itself; send references by index", index)
        outer.append(value)
        reason = _failure(value) or reason
    return EncodeError(_shortened(path), reason, index)


def _shortened(path: str) -> str:
    return path if len(path) <= _MAX_PATH else f"{path[: _MAX_PATH // 2]} … {path[-_MAX_PATH // 2 :]}"


def _failure(value: Any) -> str | None:
    try:
        pack(value)
    except EncodeError as error:
        return error.reason
    except Exception as error:  # from a property or a __hash__ of the user
        return f"{type(error).__name__}: {error}"
    return None


def _first_failing(parts: list[Any]) -> int | None:
    """Index of the first part that fails, by bisection with lists of parts; None if none fails by itself."""
    if not parts or _failure(parts) is None:
        return None
    low, high = 0, len(parts)
    while high - low > 1:
        middle = (low + high) // 2
        if _failure(parts[low:middle]) is not None:
            high = middle
        else:
            low = middle
    return low if _failure(parts[low]) is not None else None


def _parts(value: Any) -> tuple[list[Any], Callable[[int], str]]:
    """The parts of *value*, and a function that gives the path step to the n-th of them."""
    cls = type(value)
    if cls in LISTS or cls is tuple or cls is deque:
        return list(value), lambda at: f"[{at}]"
    if cls is set or cls is frozenset:
        return list(value), lambda at: f"{{element {at}}}"
    if cls is dict or cls in MAPPINGS:
        keys = list(value)
        return [*keys, *value.values()], lambda at: _dict_step(keys, at)
    try:
        fields = classes.fields_of(value)
    except Exception:  # the value itself is refused, or a property of the user raised
        fields = {}
    names = list(fields)
    return list(fields.values()), lambda at: f".{names[at]}"


def _dict_step(keys: list[Any], at: int) -> str:
    if at < len(keys):
        return f"{{key {at}}}"
    key = keys[at - len(keys)]
    return f"[{json.dumps(key, ensure_ascii=False) if type(key) is str else repr(key)[:80]}]"
