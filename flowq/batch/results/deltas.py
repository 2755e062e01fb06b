"""Merges the deltas of many items, and converts reducers to names and back. Single deltas are core/store/merge.py."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flowq.batch.results.done import Done
from flowq.core.store.merge import REDUCERS, Delta, LaterWins, Reducer, Reducers, merge_deltas
from flowq.core.store.reducers import as_reducer

T = TypeVar("T")


def merge_done(dones: Iterable[Done], reducers: Reducers, last: LaterWins = False) -> Delta:
    """Merge the changes of the items of *dones* in item order, in whatever order the dones are.

    Associative: segments of consecutive items may be merged separately, and their results merged in order by
        ``fold_deltas``.

    Args:
        dones: Dones of the batch; those without deltas are ignored.
        reducers: reducers by key.
        last: on a conflict the change of the later item wins, instead of an error; or the keys for which it does.

    Raises:
        MergeConflict: two items set one key to different values.
    """
    found = [
        (index, delta)
        for done in dones
        for index, delta in enumerate(done.deltas or (), done.start)
        if delta is not None
    ]
    found.sort(key=lambda each: each[0])
    return fold_deltas([delta for _, delta in found], reducers, last)


def fold_deltas(deltas: list[Delta], reducers: Reducers, last: LaterWins = False) -> Delta:
    """Merge *deltas*, which are in item order."""
    # Merged in pairs, then pairs of pairs: one after another, n appends to a list would copy n²/2 elements.
    while len(deltas) > 1:
        pairs = [
            merge_deltas(deltas[at], deltas[at + 1], reducers, last) if at + 1 < len(deltas) else deltas[at]
            for at in range(0, len(deltas), 2)
        ]
        deltas = pairs
    return deltas[0] if deltas else {}


def fold_runs(brought: Sequence[T | None], fold: Callable[[list[T]], T]) -> list[T | None]:
    """Fold each series of neighbouring values in *brought* into its first place; the other places become None.

    A None (its item failed or is parked) ends a series: the item's own value may be inserted there later.
    """
    runs: dict[int, list[T]] = {}
    first: int | None = None
    for place, one in enumerate(brought):
        if one is None:
            first = None
        elif first is None:
            first, runs[place] = place, [one]
        else:
            runs[first].append(one)
    folded: list[T | None] = [None] * len(brought)
    for place, run in runs.items():
        folded[place] = fold(run) if len(run) > 1 else run[0]
    return folded


def by_reducer(merge: Mapping[str, Any]) -> Reducers:
    """*merge* with the names of built-in reducers replaced by the reducers.

    Raises:
        ValueError: there is no reducer of that name.
        TypeError: *merge* is not a mapping, or a value is not a reducer.
    """
    if not isinstance(merge, Mapping):
        raise TypeError(f'merge is "last" or reducers by key, not {merge!r:.200}')
    for key, reducer in merge.items():
        if isinstance(reducer, str) and reducer not in REDUCERS:
            raise ValueError(f"no reducer is called {reducer!r} (for key {key!r}): there are {', '.join(REDUCERS)}")
        if not isinstance(reducer, str):
            as_reducer(reducer)
    return {key: REDUCERS[one] if isinstance(one, str) else one for key, one in merge.items()}


def by_name(merge: Mapping[str, Any]) -> dict[str, Any]:
    """*merge* with built-in reducers replaced by their names, which can be sent to workers."""
    return {
        key: one.name if isinstance(one, Reducer) and REDUCERS.get(one.name) is one else one
        for key, one in merge.items()
    }
