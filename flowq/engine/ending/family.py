"""Batches inside batches: an item of the parent feeds a child, which tells the parent of its close, and ends with it.

Redelivery: feeding an existing child resumes it or does nothing; a fact that was told before stays as it is.
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
from flowq.engine.states import UNENDED_IN_REDIS
from flowq.engine.stored.renewals import release_store
from flowq.errors import BatchLost, DecodeError

MOST_ASKED = 4  # batches that are tried for one free place


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
    """Feed the child of *header*, from where it stands if it was begun before, for *slots* slots.

    Args:
        gen: its first generation: above those of a previous batch with this id that Redis no longer holds.

    Raises:
        EncodeError, RedisFull, NoRedis, BatchLost, FewerItems: see ``Feeder.feed``.
    """
    birth = birth_of(connections, header, job, total, stream=total is None, slots=slots, known=known)
    birth["gen"] = gen
    # It must not wait for readers: the slot that feeds may be the only one.
    Feeder(connections, header, birth, slots, comes_again=True, gen=gen, unread_bytes=None).take_over(items)


def end_plain(connections: Connections, header: Header) -> None:
    """Confirm the generation of a closed batch with nothing to merge; an item that waits for the batch continues.

    Redelivery: confirms once; a batch that was redriven meanwhile is left alone.
    """
    state, stands = connections.redis.hmget(connections.keys.meta(header.id), ["state", "gen"])
    if state is None or state in UNENDED_IN_REDIS:
        return
    gen = int(stands)
    tell_parent(connections, header, gen)
    sweep(connections, header, gen)
    release_store(connections, header)
    connections.ledger.control(header.id, "confirm", gen)


def wake_starved(connections: Connections, headers: Headers, root: str, fleet: Fleet) -> None:
    """Give a free place in a family to one of its batches that wait for one.

    Redelivery: a batch that finds no place is listed again; one that gets lost here is woken by the caretaker.
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
    """Tell the parent that this batch closed in generation *gen*; an item that waits for it continues."""
    if not header.parent:
        return
    told = connections.ledger.tell(header.parent, "fact", child_fact(header.id, gen))
    publish(connections, header.parent, told.ids)


def follow_parent(connections: Connections, header: Header) -> None:
    """Bring a child's state in line with its parent's: it ends, pauses ("rests") and resumes with it."""
    if not header.parent:
        return
    keys, ledger = connections.keys, connections.ledger
    state = connections.redis.hget(keys.meta(header.parent), "state")
    if state not in UNENDED_IN_REDIS:
        ledger.control(header.id, "cancel")
        return
    own, rests = connections.redis.hmget(keys.meta(header.id), ["state", "rests"])
    if state == b"paused" and own == b"running":
        ledger.control(header.id, "rest")
    elif state == b"running" and own == b"paused" and rests == b"1":
        # Only a batch that rests because of its parent: one that a user paused stays paused.
        _, _, ids = ledger.control(header.id, "resume")
        publish_chunks(connections, header, ids)
