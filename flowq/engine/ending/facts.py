"""Facts and events of a batch, which its items may wait for. Reads them, and sends events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowq.codec import dumps
from flowq.core.context import check_event
from flowq.core.walks.runs import nobody_receives
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish
from flowq.engine.reading.results import read_state, status_of
from flowq.errors import BatchLost


def event_fact(name: str, number: int) -> str:
    """The name of the fact for the *number*-th event of this name; lua/tell.lua writes it, and ``at:`` with it."""
    return f"event:{name}:{number}"


def child_fact(child_id: str, gen: int) -> str:
    """The name of the fact that an item's own batch has closed in a generation."""
    return f"batch:{child_id}:{gen}"


def read_facts(connections: Connections, batch_id: str, facts: Sequence[str]) -> dict[str, tuple[int, bytes]]:
    """Those of *facts* that have been told: the number of each among all events (0: not an event), and its value."""
    if not facts:
        return {}
    names = [*facts, *(f"at:{fact}" for fact in facts)]
    found = connections.redis.hmget(connections.keys.of(batch_id, "facts"), names)
    values, places = found[: len(facts)], found[len(facts) :]
    stand = zip(facts, places, values, strict=True)
    return {fact: (int(place or 0), value) for fact, place, value in stand if value is not None}


def send_event(connections: Connections, batch_id: str, name: str, value: Any) -> None:
    """Send an event: an item that waits for it continues, and one that waits for it later gets it.

    Raises:
        EncodeError: the value cannot be encoded.
        FlowError: the batch has ended.
        BatchLost: there is no batch with this id.
        ValueError: the name is empty or contains a space.
    """
    check_event(name)
    told = connections.ledger.tell(batch_id, "event", name, dumps(value))
    if told.done == "lost":
        raise BatchLost(batch_id)
    if told.done == "gone":
        ended = status_of(read_state(connections, batch_id))
        raise nobody_receives(batch_id, ended, name)
    publish(connections, batch_id, told.ids)


def awaited_events(connections: Connections, batch_id: str) -> list[str]:
    """The names of the events that items of a batch are waiting for."""
    facts = _names(connections, [batch_id], ["waits"])
    return sorted({_event_of(fact) for fact in facts if fact.startswith("event:")})


def _event_of(fact: str) -> str:
    return fact.removeprefix("event:").rpartition(":")[0]  # the event's name may contain colons


def children(connections: Connections, *batch_ids: str) -> list[str]:
    """The ids of the batches that items of these batches wait for or have waited for; read in one round trip."""
    facts = _names(connections, batch_ids, ("waits", "facts"))
    return sorted({fact.split(":")[1] for fact in facts if fact.startswith("batch:")})


def _names(connections: Connections, batch_ids: Sequence[str], parts: Sequence[str]) -> list[str]:
    with connections.redis.pipeline(transaction=False) as pipe:
        for batch_id in batch_ids:
            for part in parts:
                pipe.hkeys(connections.keys.of(batch_id, part))
        return [name.decode(errors="replace") for names in pipe.execute() for name in names]
