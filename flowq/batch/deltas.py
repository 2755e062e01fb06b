"""What many items have brought as one; a BatchFlow's reducers by name. Never here: what a change is (core/merge)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from flowq.batch.chunk import Done
from flowq.core.merge import REDUCERS, Delta, Reducer, Reducers, merge_deltas
from flowq.core.reducers import as_reducer

T = TypeVar("T")


def merge_done(dones: Iterable[Done], reducers: Reducers, last: bool = False) -> Delta:
    """What the items of *dones* changed in the store, merged in item order, whatever order the dones are in.

    Associative: the segments of a batch may be merged on their own, each as runs of neighbouring items, and
    ``fold_deltas`` then merges those in order.

    Args:
        dones: runs of the batch; those without deltas bring nothing.
        reducers: by key, how the items' changes to it go together.
        last: where items disagree the later one stands, instead of a conflict.

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


def fold_deltas(deltas: list[Delta], reducers: Reducers, last: bool = False) -> Delta:
    """*deltas*, which are in item order, as one."""
    # Neighbours first, then pairs of pairs: one by one, n appends to a list would be copied n²/2 times.
    while len(deltas) > 1:
        pairs = [
            merge_deltas(deltas[at], deltas[at + 1], reducers, last) if at + 1 < len(deltas) else deltas[at]
            for at in range(0, len(deltas), 2)
        ]
        deltas = pairs
    return deltas[0] if deltas else {}


def fold_runs(brought: Sequence[T | None], fold: Callable[[list[T]], T]) -> list[T | None]:
    """What neighbouring items have *brought*, with each run of it folded in its first place.

    A place without any (its item failed, or is to be tried again) ends a run: what it brings later belongs there.
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
    """*merge* with the names of built-in reducers replaced by what they name.

    Raises:
        ValueError: there is no reducer of that name.
        TypeError: *merge* is no mapping, or has what is no reducer.
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
    """*merge* with built-in reducers replaced by their names, which travel; others stay as they are."""
    return {
        key: one.name if isinstance(one, Reducer) and REDUCERS.get(one.name) is one else one
        for key, one in merge.items()
    }
