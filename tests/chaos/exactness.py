"""What must hold of a batch that has ended, whatever happened to it: every outcome once, and the counters add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flowq.batch.results.result import BatchResult
from flowq.engine.connection import Connections
from flowq.engine.reading.results import State, read_dones, read_state


def assert_once_each(connections: Connections, batch_id: str, n: int) -> State:
    """Each of *n* items stands in exactly one commit, and the ledger's counters are what a recount gives."""
    statuses: Counter[str] = Counter()
    places: Counter[int] = Counter()
    retried = 0
    for done in read_dones(connections, batch_id):
        for outcome in done.outcomes():
            places[outcome.index] += 1
            statuses[outcome.status] += 1
            retried += outcome.attempts > 1
    state = read_state(connections, batch_id)
    assert places == Counter(range(n)), f"{batch_id}: {_differences(places, n)}"
    counted = {"ok": state.ok, "fallback": state.fallback, "failed": state.failed}
    assert counted == {name: statuses[name] for name in counted}, batch_id
    assert (state.retried, state.avail, state.done) == (retried, n, n), batch_id
    assert (state.state, state.sealed, state.open_chunks, state.parked) == ("succeeded", True, 0, 0), batch_id
    return state


def assert_values(result: BatchResult[Any], expected: Sequence[Any], failed: Sequence[int] = ()) -> None:
    """The values stand in item order; None stands where an item failed, and nowhere else."""
    without = set(failed)
    wanted = [None if index in without else value for index, value in enumerate(expected)]
    pairs = zip(result, wanted, strict=True)
    differing = {index: pair for index, pair in enumerate(pairs) if pair[0] != pair[1]}
    assert not differing, {index: (*pair, result.outcome(index)) for index, pair in list(differing.items())[:10]}
    assert [outcome.index for outcome in result.failed] == sorted(without)
    assert not result.cancelled


def _differences(places: Counter[int], n: int) -> str:
    missing = [index for index in range(n) if places[index] == 0]
    doubled = {index: count for index, count in places.items() if count > 1 or not 0 <= index < n}
    return f"missing {missing[:20]} ({len(missing)}), doubled {dict(list(doubled.items())[:20])} ({len(doubled)})"
