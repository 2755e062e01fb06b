"""Batches of batches: a child is fed by an item of its parent, tells it when it has closed, and ends with it.

Redelivery: a child that is there is fed on or left alone; a fact that was told is told in vain.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from flowq.batch.executor import BatchJob
from flowq.engine.batches import Header, Headers
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish, publish_chunks
from flowq.engine.ending.facts import child_fact
from flowq.engine.ending.sink_sweep import sweep
from flowq.engine.feeding.birth import birth_of
from flowq.engine.feeding.feed import Feeder
from flowq.engine.fleet.presence import Fleet
from flowq.engine.ids import is_chunk_id
from flowq.engine.known_sizes import Sizes
from flowq.errors import BatchLost, DecodeError

MOST_ASKED = 4  # batches that are offered a place


def start_child(
    connections: Connections,
    header: Header,
    job: BatchJob,
    items: Iterable[Any],
    total: int | None,
    *,
    slots: int,
    known: Sizes | None,
    gen: int = 0,
) -> None:
    """Feed the batch of *header*, from where it stands if it was begun before, on *slots*.

    Args:
        gen: the generation it begins with: after those of a batch of this id that Redis no longer holds.

    Raises:
        EncodeError, RedisFull, NoRedis, BatchLost, FewerItems: see ``Feeder.feed``.
    """
    birth = birth_of(connections, header, job, total, stream=total is None, slots=slots, known=known)
    birth["gen"] = gen
    # It must not wait for readers: the only slot there is may be the one that feeds.
    Feeder(connections, header, birth, slots, comes_again=True, gen=gen, unread_bytes=None).relieve(items)


def end_plain(connections: Connections, header: Header) -> None:
    """Confirm the generation of a closed batch that has nothing to merge; an item that waits for it goes on.

    Redelivery: it is confirmed once; one that was redriven meanwhile is left alone.
    """
    state, stands = connections.redis.hmget(connections.keys.meta(header.id), ["state", "gen"])
    if state in (None, b"running", b"paused"):
        return
    gen = int(stands)
    tell_parent(connections, header, gen)
    sweep(connections, header, gen)
    connections.ledger.control(header.id, "confirm", gen)


def wake_starved(connections: Connections, headers: Headers, root: str, fleet: Fleet) -> None:
    """Give a place that came free in a family to one of its batches that waits for it.

    Redelivery: a batch that finds none is noted again; one that is forgotten here is woken by the caretaker.
    """
    for _ in range(MOST_ASKED):
        starved = connections.redis.spop(connections.keys.starved(root))
        if starved is None:
            return
        try:
            header = headers.get(starved.decode())
        except (BatchLost, DecodeError):
            continue
        woken = connections.ledger.wake(header.id, window=fleet.window(header.queue))
        chunks = [one for one in woken.ids if is_chunk_id(one)]
        publish_chunks(connections, header, chunks)
        if chunks:
            return


def tell_parent(connections: Connections, header: Header, gen: int) -> None:
    """Let the item go on that waits for this batch, closed in generation *gen*, if one does."""
    if not header.parent:
        return
    told = connections.ledger.tell(header.parent, "fact", child_fact(header.id, gen))
    publish(connections, header.parent, told.ids)


def mind_parent(connections: Connections, header: Header) -> None:
    """Bring a child to where its parent stands: it ends with it, rests with it, and goes on with it."""
    if not header.parent:
        return
    keys, ledger = connections.keys, connections.ledger
    state = connections.redis.hget(keys.meta(header.parent), "state")
    if state not in (b"running", b"paused"):
        ledger.control(header.id, "cancel")
        return
    own, rests = connections.redis.hmget(keys.meta(header.id), ["state", "rests"])
    if state == b"paused" and own == b"running":
        ledger.control(header.id, "rest")
    elif state == b"running" and own == b"paused" and rests == b"1":
        # Only what rests because of its parent: a batch that somebody paused stays so.
        _, _, ids = ledger.control(header.id, "resume")
        publish_chunks(connections, header, ids)
