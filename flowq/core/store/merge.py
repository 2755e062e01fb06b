"""Deltas: the changes an item made to the store, and how the deltas of many items are merged. Pure functions.

A delta is ``{key: op}``. An op is a plain tuple, so that any codec can encode it: the kind of change, the change, and
the index of the item that made it:

    ("set", value, index)      the key was set to this value
    ("extend", tail, index)    the key's list was appended to (a missing key counts as an empty list)
    ("merge", {k: op}, index)  the key's dict was changed at these keys (a missing key counts as an empty dict)
    ("reduce", change, index)  the change as the key's reducer expresses it
    ("del", None, index)       the key was deleted
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, MutableMapping
from collections.abc import Set as AbstractSet
from numbers import Number
from typing import Any, TypeAlias

from flowq.core.store.compare import same
from flowq.core.store.reducers import (
    MISSING,
    REDUCERS,
    Add,
    Append,
    First,
    Last,
    Max,
    Min,
    Reducer,
    Union,
    as_reducer,
)
from flowq.errors import MergeConflict
from flowq.registry import LISTS

__all__ = ["MISSING", "REDUCERS", "Add", "Append", "First", "Last", "Max", "Min", "Reducer", "Union", "as_reducer"]
__all__ += ["Delta", "LaterWins", "Op", "Reducers", "apply_delta", "diff_value", "merge_deltas"]

Op: TypeAlias = tuple[str, Any, int]
Delta: TypeAlias = dict[str, Op]
LaterWins: TypeAlias = bool | Collection[str]
Reducers: TypeAlias = Mapping[str, Reducer | Callable[[Any, Any], Any]]


def diff_value(
    base: Any, new: Any, index: int, reducer: Reducer | Callable[[Any, Any], Any] | None = None
) -> Op | None:
    """The op of item *index* that turns *base* (or MISSING) into *new*; None if they are the same.

    Raises:
        ValueError: the change is not one that *reducer* can express.
    """
    base, new = _plain(base), _plain(new)
    if base is not MISSING and same(base, new):
        return None
    if reducer is not None:
        return ("reduce", as_reducer(reducer).diff(base, new), index)
    if type(new) is list and (base is MISSING or (type(base) is list and same(new[: len(base)], base))):
        return ("extend", new if base is MISSING else new[len(base) :], index)
    if type(new) is dict and (base is MISSING or type(base) is dict):
        return ("merge", _diff_dict({} if base is MISSING else base, new, index), index)
    return ("set", new, index)


def _diff_dict(base: dict[Any, Any], new: dict[Any, Any], index: int) -> dict[Any, Op]:
    ops: dict[Any, Op] = {key: ("del", None, index) for key in base if key not in new}
    for key, value in new.items():
        op = diff_value(base.get(key, MISSING), value, index)
        if op is not None:
            ops[key] = op
    return ops


def merge_deltas(first: Delta, second: Delta, reducers: Reducers, last: LaterWins = False) -> Delta:
    """Merge the deltas of two consecutive ranges of items, *first* being the earlier one. Associative.

    Appended tails are concatenated, dicts merged key by key, reduced changes combined. Neither argument is changed.

    Args:
        last: on a conflict the change of the later item wins, instead of an error; or the keys for which it does.

    Raises:
        MergeConflict: both set a key to different values, or changed it in incompatible ways; names both items.
    """
    return _merged_dict(first, second, (), reducers, last)


def apply_delta(store: MutableMapping[str, Any], delta: Delta, reducers: Reducers) -> None:
    """Apply *delta* to *store*. Lists and dicts are changed in place, so that references to them stay valid."""
    for key, op in delta.items():
        _apply_op(store, key, op, reducers.get(key))


def _apply_op(store: MutableMapping[Any, Any], key: Any, op: Op, reducer: Any) -> None:
    kind, change, _ = op
    current = store.get(key, MISSING)
    if kind == "extend" and type(current) is list:
        current.extend(change)
        store[key] = current  # no change to a dict; a store with a schema validates it
    elif kind == "merge" and type(current) is dict:
        for inner, inner_op in change.items():
            _apply_op(current, inner, inner_op, None)
        store[key] = current
    else:
        value = _value_after(current, op, reducer)
        if value is MISSING:
            store.pop(key, None)
        else:
            store[key] = value


def _value_after(value: Any, op: Op, reducer: Any) -> Any:
    """*value* (or MISSING) with *op* applied. *value* itself is not changed."""
    kind, change, _ = op
    value = _plain(value)
    if kind == "set":
        return change
    if kind == "del":
        return MISSING
    if kind == "reduce":
        return as_reducer(reducer)(value, change)
    if kind == "extend":
        return [*value, *change] if type(value) is list else list(change)
    result = dict(value) if type(value) is dict else {}
    for key, inner in change.items():
        after = _value_after(result.get(key, MISSING), inner, None)
        if after is MISSING:
            result.pop(key, None)
        else:
            result[key] = after
    return result


def _plain(value: Any) -> Any:
    """*value*, or a plain list if workers would get it as one: an item's changes must be the same everywhere."""
    return list(value) if type(value) in LISTS and type(value) is not list else value


def _merged(first: Op, second: Op, path: tuple[Any, ...], reducers: Reducers, last: bool) -> Op:
    kind, change, index = second
    # Which item an op is attributed to must not depend on how the items were grouped: it is the first of those that
    # made it, or with `last` the last.
    index = index if last else first[2]
    if first[0] == kind:
        if kind == "extend":
            return (kind, [*first[1], *change], index)
        if kind == "merge":
            return (kind, _merged_dict(first[1], change, path, reducers, last), index)
        if kind == "reduce":
            return (kind, as_reducer(reducers[path[0]]).combine(first[1], change), index)
        if last:
            return second
        if kind == "del" or same(first[1], change):
            return first
    if not last:
        kind = _kind_of(first[1], second[1])
        raise MergeConflict(_spelled(path), first[2], second[2], kind=kind, nested=len(path) > 1)
    return _overruled(first, second, reducers.get(path[0]) if len(path) == 1 else None)


def _kind_of(*values: Any) -> str:
    """The common kind of all *values*, for the error's advice; "" if there is none."""
    if all(isinstance(one, AbstractSet) for one in values):
        return "set"
    if all(isinstance(one, Counter) for one in values):
        return "counter"
    if all(isinstance(one, Number) and not isinstance(one, bool) for one in values):
        return "number"
    return "list" if all(isinstance(one, list) for one in values) else ""


def _overruled(first: Op, second: Op, reducer: Any) -> Op:
    """The op that applies *first* and then *second*, of different kinds; the value before *first* no longer matters."""
    kind, _, index = second
    if kind in ("set", "del"):
        return second
    return ("set", _value_after(_left_by(first), second, reducer), index)


def _left_by(op: Op) -> Any:
    # Only the value of a "set" can be built on: a list cannot be merged by key, a dict cannot be extended.
    return op[1] if op[0] == "set" else MISSING


def _merged_dict(
    first: Mapping[Any, Op], second: Mapping[Any, Op], path: tuple[Any, ...], reducers: Reducers, last: LaterWins
) -> dict[Any, Op]:
    merged = dict(first)
    for key, op in second.items():
        earlier = merged.get(key)
        wins = last if isinstance(last, bool) else key in last
        merged[key] = op if earlier is None else _merged(earlier, op, (*path, key), reducers, wins)
    return merged


def _spelled(path: tuple[Any, ...]) -> str:
    return ".".join(str(key) for key in path)
