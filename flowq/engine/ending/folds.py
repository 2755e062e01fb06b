"""The aggregation: folds merge the items' deltas, finish confirms; or one call does both.

Redelivery: a fold writes the same field again, finish merges the same folds again; only one confirmation counts.
A chord that Celery loses is published again, because it stays due in the ledger's ``wake``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flowq.codec import dumps, loads
from flowq.engine.batches import Header
from flowq.engine.connection import Connections
from flowq.engine.dispatch import Segment
from flowq.engine.ending.family import tell_parent
from flowq.engine.ending.parts import read_deltas
from flowq.engine.ending.sink_sweep import sweep
from flowq.engine.patience import when_there
from flowq.engine.stored.renewals import release_store
from flowq.errors import BatchLost, CodecError, WorkerCrashed
from flowq.portable import portable

MAX_DEATHS = 5
BEGUN_FOR_S = 86_400  # lifetime of the count of begun merges; the results live as long as the batch

Merge = Callable[[Sequence[Any]], Any]  # deltas in item order → one delta


def merge_all(connections: Connections, header: Header, gen: int, n: int, merge: Merge) -> None:
    """Do what the chord does, in one call: merge the deltas of all *n* items, store the result, confirm."""
    _keep(connections, header.id, _result_name(gen), _folded(connections, header, gen, (0, n), merge))
    _confirm(connections, header, gen)


def fold(connections: Connections, header: Header, gen: int, segment: Segment, merge: Merge) -> str:
    """Merge the deltas of one segment in item order; returns the name of the result."""
    name = _name(gen, segment)
    if header.reduces:
        _keep(connections, header.id, name, _folded(connections, header, gen, segment, merge))
        connections.crash_points.reached("folded", header.id)
    return name


def _folded(connections: Connections, header: Header, gen: int, segment: Segment, merge: Merge) -> bytes:
    deltas = read_deltas(connections, header.id, segment)
    return _encoded(_tried(connections, header.id, _name(gen, segment), deltas, merge))


def finish(connections: Connections, header: Header, gen: int, segments: Sequence[Segment], merge: Merge) -> str:
    """Merge the folds, store the result, confirm the generation and tell its waiters."""
    if header.reduces:
        blobs = connections.redis.hmget(connections.keys.fold(header.id), [_name(gen, one) for one in segments])
        if any(blob is None for blob in blobs):
            raise BatchLost(header.id)
        name = _result_name(gen)
        result = blobs[0] if len(blobs) == 1 else _encoded(_all_of(connections, header.id, name, blobs, merge))
        _keep(connections, header.id, name, result)
    return _confirm(connections, header, gen)


def _confirm(connections: Connections, header: Header, gen: int) -> str:
    """Do what follows once the result is stored; returns how the batch ended."""
    connections.crash_points.reached("reduced", header.id)
    sweep(connections, header, gen)
    release_store(connections, header)
    # Before the confirmation, so that it is repeated if this process dies in between.
    tell_parent(connections, header, gen)
    connections.crash_points.reached("told", header.id)
    done, state, _ = connections.ledger.control(header.id, "confirm", gen)
    connections.crash_points.reached("confirmed", header.id)
    connections.redis.publish(connections.keys.finished_channel(header.id), f"{state} {gen}")
    return f"{state}, {done}"


def _name(gen: int, segment: Segment) -> str:
    return f"{gen}:{segment[0]}-{segment[1]}"


def _result_name(gen: int) -> str:
    return f"{gen}:result"


def _all_of(connections: Connections, batch_id: str, name: str, blobs: Sequence[bytes], merge: Merge) -> dict[str, Any]:
    """Merge the folds in *blobs*, or return the error of the first that has one."""
    folds = [loads(blob) for blob in blobs]
    errors = [one for one in folds if "error" in one]
    return errors[0] if errors else _tried(connections, batch_id, name, [[one["delta"] for one in folds]], merge)


class _Unmergeable(Exception):
    """Two items contradict each other, or a user's reducer raised: a retry with the same deltas would raise again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _tried(
    connections: Connections, batch_id: str, name: str, runs: Iterable[Sequence[Any]], merge: Merge
) -> dict[str, Any]:
    """Merge the deltas in *runs*; returns the merged delta, or the error, as a retry would raise it again.

    A count is raised at the beginning and lowered at the end: a merge that killed its process each time is given up.
    """
    if _counted(connections, batch_id, name, 1) > MAX_DEATHS:
        return {"error": WorkerCrashed(f"the processes that merged what the items brought died {MAX_DEATHS} times")}
    try:
        return {"delta": _merged(runs, merge)}
    except _Unmergeable as failure:
        return {"error": portable(failure.error)}
    finally:
        _counted(connections, batch_id, name, -1)


def _counted(connections: Connections, batch_id: str, name: str, by: int) -> int:
    """The number of merges that began and have not ended, changed by *by*. (Results live longer, see ``_keep``.)"""
    key = connections.keys.fold(batch_id)
    with connections.redis.pipeline(transaction=True) as pipe:
        begun, _ = pipe.hincrby(key, f"{name}:begun", by).expire(key, BEGUN_FOR_S).execute()
    return int(begun)


def _merged(runs: Iterable[Sequence[Any]], merge: Merge) -> Any:
    """Merge the deltas of all *runs*, which follow each other in item order; holds one run and what is merged so far.

    Results of equally many runs are merged with each other, like carries in a binary number: merged one after the
    other, n appends to a list would be copied n²/2 times.
    """
    carried: list[tuple[int, Any]] = []
    for run in runs:
        level, delta = 0, _one(merge, run)
        while carried and carried[-1][0] == level:
            level, delta = level + 1, _one(merge, [carried.pop()[1], delta])
        carried.append((level, delta))
    return carried[0][1] if len(carried) == 1 else _one(merge, [delta for _, delta in carried])


def _one(merge: Merge, deltas: Sequence[Any]) -> Any:
    try:
        return merge(deltas)
    except Exception as error:
        raise _Unmergeable(error) from error


def _keep(connections: Connections, batch_id: str, name: str, outcome: bytes) -> None:
    """Store a result for as long as the batch is kept."""
    redis, keys = connections.redis, connections.keys
    retention_ms = redis.hget(keys.meta(batch_id), "retention_ms")
    with redis.pipeline(transaction=True) as pipe:
        pipe.hset(keys.fold(batch_id), name, outcome)
        pipe.pexpire(keys.fold(batch_id), int(retention_ms or 0))
        pipe.execute()


def _encoded(outcome: dict[str, Any]) -> bytes:
    try:
        return dumps(outcome)
    except CodecError as error:  # the deltas could be encoded, but the merged value cannot
        return dumps({"error": error})


def is_reduced(connections: Connections, batch_id: str, gen: int) -> bool:
    """Whether the aggregation of a generation has stored its result, confirmed or not."""
    return bool(connections.redis.hexists(connections.keys.fold(batch_id), _result_name(gen)))


def reduced(connections: Connections, batch_id: str, gen: int) -> Any:
    """The merged delta of a finished batch.

    Raises:
        MergeConflict: two items contradict each other.
        NoRedis: Redis has not answered for 30 s.
        Exception: raised by the function that combines items.
    """
    # Outside of the code that raises the stored error, which may be of the same class.
    blob = when_there(connections, lambda: connections.redis.hget(connections.keys.fold(batch_id), _result_name(gen)))
    if blob is None:
        raise BatchLost(batch_id)
    outcome = loads(blob)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["delta"]
