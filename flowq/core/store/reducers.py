"""Reducers: combine the changes that many items made to one key of the store."""

from __future__ import annotations

import enum
import operator
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flowq.core.callables import label_of
from flowq.core.store.compare import same


class _Missing(enum.Enum):
    MISSING = "MISSING"

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Final = _Missing.MISSING
"""Placeholder for the value of a missing key; None is a value."""


@dataclass(frozen=True, repr=False)
class Reducer:
    """How the changes to a key are computed and combined. Set it in the schema: ``hits: Annotated[int, flowq.Add]``.

    Attributes:
        name: shown in messages; the key of the built-in ones in ``REDUCERS``.
        diff: ``diff(base, new)`` returns the contribution of an item that found *base* (or MISSING) and left *new*.
        combine: ``combine(acc, delta)`` adds a contribution to a value or to an earlier contribution. It must be
            associative: contributions are combined in item order, but in groups, concurrently.
    """

    name: str
    diff: Callable[[Any, Any], Any]
    combine: Callable[[Any, Any], Any]

    def __repr__(self) -> str:
        return self.name

    def __call__(self, acc: Any, delta: Any) -> Any:
        """Like :attr:`combine`, but *acc* may be MISSING."""
        return delta if acc is MISSING else self.combine(acc, delta)


def as_reducer(reducer: Reducer | Callable[[Any, Any], Any]) -> Reducer:
    """*reducer* itself, or a plain callable ``(a, b) -> c`` as a reducer.

    A callable combines the values that the items left, not differences: ``f(f(base, value 0), value 1)``.
    """
    if isinstance(reducer, Reducer):
        return reducer
    if not callable(reducer):
        raise TypeError(f"a reducer is a flowq reducer or a function of two values, not {type(reducer).__name__}")
    return Reducer(label_of(reducer), _whole, reducer)


def _whole(base: Any, new: Any) -> Any:
    return new


def _tail(base: Any, new: Any) -> Any:
    head = [] if base is MISSING else list(base)
    if not same(list(new[: len(head)]), head):
        raise ValueError("Append: the list no longer begins with what was in the store; only append to it")
    return list(new[len(head) :])


def _joined(acc: Any, delta: Any) -> list[Any]:
    return [*acc, *delta]


def _difference(base: Any, new: Any) -> Any:
    return new if base is MISSING else new - base


def _added(base: Any, new: Any) -> Any:
    if isinstance(base, Counter) and isinstance(new, Counter):
        change = new.copy()
        change.subtract(base)  # the operator - would drop negative counts
        return change
    return _difference(base, new)


def _sum(acc: Any, delta: Any) -> Any:
    if isinstance(acc, Counter) and isinstance(delta, Counter):
        total = acc.copy()
        total.update(delta)  # the operator + would drop negative counts, and so not be associative
        return total
    return acc + delta


def _first(acc: Any, delta: Any) -> Any:
    return acc


def _last(acc: Any, delta: Any) -> Any:
    return delta


Append: Final = Reducer("Append", _tail, _joined)
"""Lists: the elements the items appended, in item order."""
Add: Final = Reducer("Add", _added, _sum)
"""Numbers and Counters: the sum of what the items added."""
Union: Final = Reducer("Union", _difference, operator.or_)
"""Sets: the elements the items added; removals are ignored."""
First: Final = Reducer("First", _whole, _first)
"""The first value: the store's, else the first item's."""
Last: Final = Reducer("Last", _whole, _last)
"""The value of the last item, in item order, that changed it."""
Max: Final = Reducer("Max", _whole, max)
"""The largest of the store's value and the items'."""
Min: Final = Reducer("Min", _whole, min)
"""The smallest of the store's value and the items'."""

REDUCERS: Final = {one.name: one for one in (Append, Add, Union, First, Last, Max, Min)}
