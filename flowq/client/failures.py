"""The failed items of a batch, read from Redis: only commits that contain one are read. Never runs them again."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from flowq.batch.results.outcome import Outcome
from flowq.engine.connection import Connections
from flowq.engine.ids import span
from flowq.engine.reading.results import out_fields, read_some, require_kept

AT_ONCE = 1000


def read_failures(connections: Connections, batch_id: str) -> Iterator[Outcome]:
    """The outcomes of the items that have failed so far, in item order, a thousand at a time.

    Raises:
        BatchLost: Redis no longer holds the batch.
    """
    members = connections.redis.smembers(connections.keys.of(batch_id, "failed"))
    failed = sorted(int(member) for member in members)
    fields = out_fields(connections, batch_id) if failed else []
    for at in range(0, len(failed), AT_ONCE):
        some = failed[at : at + AT_ONCE]
        found = _among(connections, batch_id, [one for one in fields if _holds(one, some)], some)
        if len(found) < len(some):  # some run again, or were freed, or the batch is gone
            require_kept(connections, batch_id)
        for index in sorted(found):
            yield found[index]


def _among(connections: Connections, batch_id: str, fields: Sequence[str], failed: Sequence[int]) -> dict[int, Outcome]:
    """The outcome of each of *failed*, by index; a later commit replaces an earlier one."""
    found: dict[int, Outcome] = {}
    for done in read_some(connections, batch_id, fields):
        inside = failed[bisect_left(failed, done.start) : bisect_left(failed, done.upto)]
        noted = (done.notable.get(index) for index in inside)
        found.update((one.index, done.outcome(one.index)) for one in noted if one and one.status == "failed")
    return found


def _holds(field: str, failed: Sequence[int]) -> bool:
    start, upto = span(field)
    place = bisect_left(failed, start)
    return place < len(failed) and failed[place] < upto
