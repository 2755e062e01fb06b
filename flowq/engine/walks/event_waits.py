"""The waits of a run's current node for events, on workers: while all its branches wait, the run is parked.

Redelivery: a repeated node takes the same way: each wait gets what it got before, in the same order.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flowq.batch.running.taken import is_over
from flowq.batch.running.waits import End, Sent, Wait, Waits
from flowq.codec import loads
from flowq.core.beside import somebody_works
from flowq.core.context import ItemContext
from flowq.core.journey import Left
from flowq.core.limit import limits
from flowq.engine.connection import Connections
from flowq.engine.ending.facts import event_fact, read_facts
from flowq.engine.stored.on_the_way import read
from flowq.engine.stored.reached import Reached

LOOK_EVERY_S = 0.1


class EventWaits(Waits):
    """The waits for events of the run *run_id*; their deadlines and results are kept in *reached*.

    Args:
        encoded: saves the walk's changes to the store and returns its present state.
    """

    def __init__(self, connections: Connections, run_id: str, reached: Reached, encoded: Callable[[], bytes]) -> None:
        super().__init__()
        self._connections, self._run_id, self._reached, self._encoded = connections, run_id, reached, encoded
        # By fact: waits for it that timed out since the last node was completed, or since the flow was restarted.
        self._in_vain: dict[str, int] = {}
        # The waits of the current node that ended in parking the run, with the exceptions that do so.
        self._left: list[tuple[Wait, Left]] = []

    def reset(self) -> None:
        """Reset for another node, or another try of the flow."""
        self._reached.until.clear()
        self._in_vain.clear()
        self._left.clear()

    async def wait_for(self, ctx: ItemContext, name: str, timeout_s: float | None) -> Any:
        """See ItemContext.wait_for."""
        return loads(await super().wait_for(ctx, name, timeout_s))

    def received(self, name: str) -> int:
        """See Waits."""
        return self._reached.received.get(name, 0)

    def ends(self, name: str, number: int, timeout_s: float | None) -> list[End]:
        """See Waits. A repeated wait keeps its deadlines: its own, and those of the time limits around it."""
        fact, until = event_fact(name, number), self._reached.until
        in_vain = self._in_vain.get(fact, 0)
        key = f"{fact} {in_vain}" if in_vain else fact
        ends = [] if timeout_s is None else [End(until.setdefault(key, time.time() + timeout_s), None, key)]
        for place, limit in enumerate(limits()):
            inner = f"{key} within {place}"
            ends.append(End(until.setdefault(inner, limit.until_s()), limit, inner))
        return ends

    async def look(self, waits: Sequence[Wait]) -> Mapping[Wait, Sent]:
        """See Waits. A wait that timed out does so again, even if the event has come since."""
        late = {wait: Sent(0.5 - end.until_s, end) for wait in waits for end in wait.ends if end.until_s <= 0}
        facts = {event_fact(wait.name, wait.number): wait for wait in waits if wait not in late}
        stand = await asyncio.to_thread(
            read, self._connections, lambda: read_facts(self._connections, self._run_id, list(facts))
        )
        return {**late, **{facts[fact]: Sent(*sent) for fact, sent in stand.items()}}

    def give_up(self, wait: Wait, end: End) -> None:
        """See Waits."""
        for one in [wait] if end.limit is None else self.under(end.limit):
            for over in one.ends:
                if over.limit is end.limit and over.until_s > 0:
                    self._reached.until[over.key] = -self.last
            fact = event_fact(one.name, one.number)
            self._in_vain[fact] = self._in_vain.get(fact, 0) + 1
        super().give_up(wait, end)

    async def rest(self, waits: Sequence[Wait]) -> None:
        """Park the run until the first of the awaited events, or the first deadline.

        Not while another branch works: its work would be repeated.
        """
        if somebody_works(wait.ctx for wait in waits):
            await asyncio.sleep(LOOK_EVERY_S)
            return
        state = await asyncio.to_thread(self._encoded)
        if self.open_in(asyncio.get_running_loop()) != waits:
            return
        self._left = [one for one in self._left if not is_over(one[0].ctx)]
        every = [*(wait for wait, _ in self._left), *waits]
        facts = tuple(dict.fromkeys(event_fact(wait.name, wait.number) for wait in every))
        ends_s = min((end.until_s for wait in every for end in wait.ends), default=None)
        due_in_s = None if ends_s is None else max(0.0, ends_s - time.time())
        for _, left in self._left:
            left.facts, left.reached, left.due_in_s = facts, state, due_in_s
        for wait in waits:
            left = Left("event", facts, state, due_in_s)
            self._left.append((wait, left))
            wait.answer.set_exception(left)
