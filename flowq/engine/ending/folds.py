"""The aggregator's parts: folds merge what items brought, finish confirms; or all of it in one.

Redelivery: a fold writes the same field again, finish merges the same folds again; the confirmation is taken once.
A chord that Celery loses is simply due again in the ledger's ``wake``.
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
from flowq.errors import BatchLost, CodecError, WorkerCrashed
from flowq.portable import portable

MAX_DEATHS = 5
BEGUN_FOR_S = 86_400  # what is begun and never comes to an end is kept so long; what is made, for as long as the batch

Merge = Callable[[Sequence[Any]], Any]  # deltas in item order → one delta


def merge_all(connections: Connections, header: Header, gen: int, n: int, merge: Merge) -> None:
    """What the chord does, in one: merge what all *n* items brought, keep it, confirm the generation."""
    _keep(connections, header.id, _result_name(gen), _folded(connections, header, gen, (0, n), merge))
    _confirm(connections, header, gen)


def fold(connections: Connections, header: Header, gen: int, segment: Segment, merge: Merge) -> str:
    """Merge what the items of one segment brought, in item order; answers a reference."""
    name = _name(gen, segment)
    if header.reduces:
        _keep(connections, header.id, name, _folded(connections, header, gen, segment, merge))
        connections.crash_points.reached("folded", header.id)
    return name


def _folded(connections: Connections, header: Header, gen: int, segment: Segment, merge: Merge) -> bytes:
    deltas = read_deltas(connections, header.id, segment)
    return _encoded(_tried(connections, header.id, _name(gen, segment), deltas, merge))


def finish(connections: Connections, header: Header, gen: int, segments: Sequence[Segment], merge: Merge) -> str:
    """Merge the folds, keep the result, confirm the generation, tell who waits for it."""
    if header.reduces:
        blobs = connections.redis.hmget(connections.keys.fold(header.id), [_name(gen, one) for one in segments])
        if any(blob is None for blob in blobs):
            raise BatchLost(header.id)
        name = _result_name(gen)
        result = blobs[0] if len(blobs) == 1 else _encoded(_all_of(connections, header.id, name, blobs, merge))
        _keep(connections, header.id, name, result)
    return _confirm(connections, header, gen)


def _confirm(connections: Connections, header: Header, gen: int) -> str:
    """What is left to be done once the result is kept; answers how the batch ended."""
    connections.crash_points.reached("reduced", header.id)
    sweep(connections, header, gen)
    # Before the confirmation: until that it is told again.
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
    """What the folds in *blobs* come to, or the error of the first that has one."""
    folds = [loads(blob) for blob in blobs]
    errors = [one for one in folds if "error" in one]
    return errors[0] if errors else _tried(connections, batch_id, name, [[one["delta"] for one in folds]], merge)


class _Unmergeable(Exception):
    """Two items contradict each other, or a user's reducer raises: with the same deltas it would raise again."""

    def __init__(self, error: Exception) -> None:
        super().__init__(str(error))
        self.error = error


def _tried(
    connections: Connections, batch_id: str, name: str, runs: Iterable[Sequence[Any]], merge: Merge
) -> dict[str, Any]:
    """What *merge* makes of the deltas in *runs*, or its error: a second attempt would end no better.

    Who begins is counted, and who comes to an end is taken off: what kills its process each time is given up.
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
    """How many are at it, with *by* more. What they make is kept for longer (``_keep``)."""
    key = connections.keys.fold(batch_id)
    with connections.redis.pipeline(transaction=True) as pipe:
        begun, _ = pipe.hincrby(key, f"{name}:begun", by).expire(key, BEGUN_FOR_S).execute()
    return int(begun)


def _merged(runs: Iterable[Sequence[Any]], merge: Merge) -> Any:
    """The deltas of all *runs*, which follow each other in item order, as one; memory for one run and what comes of it.

    What has come of as many runs is merged with each other, as carries are in a binary number: one after the other, n
    appends to a list would be copied n²/2 times.
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
    """Store what was made for as long as the batch is kept."""
    redis, keys = connections.redis, connections.keys
    retention_ms = redis.hget(keys.meta(batch_id), "retention_ms")
    with redis.pipeline(transaction=True) as pipe:
        pipe.hset(keys.fold(batch_id), name, outcome)
        pipe.pexpire(keys.fold(batch_id), int(retention_ms or 0))
        pipe.execute()


def _encoded(outcome: dict[str, Any]) -> bytes:
    try:
        return dumps(outcome)
    except CodecError as error:  # what the items brought could travel, what was made of it cannot
        return dumps({"error": error})


def is_reduced(connections: Connections, batch_id: str, gen: int) -> bool:
    """Whether the aggregator is through with a generation, confirmed or not."""
    return bool(connections.redis.hexists(connections.keys.fold(batch_id), _result_name(gen)))


def reduced(connections: Connections, batch_id: str, gen: int) -> Any:
    """What the aggregator made of a finished batch.

    Raises:
        MergeConflict: two items contradict each other.
        NoRedis: Redis has not answered for 30 s.
        Exception: what the function that combines items raised.
    """
    # Apart from what is raised below, which may be an error of the same class.
    blob = when_there(connections, lambda: connections.redis.hget(connections.keys.fold(batch_id), _result_name(gen)))
    if blob is None:
        raise BatchLost(batch_id)
    outcome = loads(blob)
    if "error" in outcome:
        raise outcome["error"]
    return outcome["delta"]
