"""Every batch and run that Redis holds, newest first, with its counters. Read-only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from flowq.engine.batches import under_care
from flowq.engine.care.catalog import Catalog, Entry
from flowq.engine.connection import Connections
from flowq.engine.reading.origin import Origin, read_origins
from flowq.engine.reading.results import State, read_states
from flowq.engine.states import UNENDED_IN_REDIS

FIRST, AT_ONCE = 20, 500


@dataclass(frozen=True, slots=True)
class Listed:
    """One batch or run.

    Attributes:
        kind: "batch" or "run".
        id, label, node, queue: as in its handle.
        created_at: seconds since the epoch, by Redis' clock.
        state: its counters.
        origin: the key it was submitted under, and whether it is still fed.
    """

    kind: str
    id: str
    label: str
    node: str
    queue: str
    created_at: float
    state: State
    origin: Origin


@dataclass(frozen=True, slots=True)
class UnderWay:
    """What has not ended.

    Attributes:
        newest: the newest batches and runs.
        number: how many there are in all.
        items: the items, without an outcome, that their producers have written; those of runs are not counted.
    """

    newest: list[Listed]
    number: int
    items: int


def batches(connections: Connections) -> Iterator[Listed]:
    """The batches and runs in Redis, newest first, read some at a time."""
    return _read(connections, Catalog(connections.redis, connections.keys).newest())


def under_way(connections: Connections, most: int) -> UnderWay:
    """What has not ended, with the newest *most* of it. Reads only these, however many have ended."""
    redis, keys = connections.redis, connections.keys
    cared_for = set(under_care(redis, keys))
    entries = [one for one in Catalog(redis, keys).newest() if one.id in cared_for]
    running, items = [], 0
    for at in range(0, len(entries), AT_ONCE):
        page = entries[at : at + AT_ONCE]
        with redis.pipeline(transaction=False) as pipe:
            for one in page:
                pipe.hmget(keys.meta(one.id), ["state", "avail", "ok", "fallback", "failed"])
            answers = pipe.execute()
        for one, (state, written, *done) in zip(page, answers, strict=True):
            if state in UNENDED_IN_REDIS:
                running.append(one)
                items += int(written or 0) - sum(int(n or 0) for n in done) if one.kind == "batch" else 0
    newest = [one for one in _read(connections, running[:most]) if not one.state.closed]
    return UnderWay(newest, len(running), items)


def _read(connections: Connections, entries: Iterable[Entry]) -> Iterator[Listed]:
    redis, keys, left = connections.redis, connections.keys, iter(entries)
    at_once = FIRST
    while page := list(islice(left, at_once)):
        ids = [one.id for one in page]
        states, origins = read_states(connections, ids), read_origins(connections, ids)
        with redis.pipeline(transaction=False) as pipe:
            for one in ids:
                pipe.hmget(keys.meta(one), ["label", "node", "queue"])
            told = pipe.execute()
        for entry, origin, names in zip(page, origins, told, strict=True):
            if entry.id not in states:
                continue  # it has just expired, or belongs to another release
            label, node, queue = ((text or b"").decode(errors="replace") for text in names)
            yield Listed(entry.kind, entry.id, label, node, queue, entry.created_at, states[entry.id], origin)
        at_once = AT_ONCE
