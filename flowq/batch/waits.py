"""The events that the calls of a node wait for: which of them is given what next. Never where events are kept."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from flowq.batch.taken import Taken
from flowq.core.context import ItemContext, innermost
from flowq.core.limit import Limit

MOMENT_S = 0.02
"""After an event was given, so long until the next is: whoever got it may want the others no more, as in a race."""


class End(NamedTuple):
    """When a wait is given up.

    Attributes:
        until_s: in seconds since the epoch.
        limit: the time limit of a call around it, all of which ends then; None: of the wait alone.
        key: the name under which that is kept.
    """

    until_s: float
    limit: Limit | None = None
    key: str = ""


@dataclass(eq=False, slots=True)
class Wait:
    """A call of ``ctx.wait_for`` under way.

    Attributes:
        ctx: the call that it was made in.
        name, number: it waits for the event of this name that is the *number*-th, from 0.
        timeout_s: as it was given.
        ends: when it is given up, whichever comes first.
        answer: what it is told.
    """

    ctx: ItemContext
    name: str
    number: int
    timeout_s: float | None
    ends: list[End]
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Sent(NamedTuple):
    """What a wait is told, when its turn has come.

    Attributes:
        place: of the event among all that were sent to the run.
        value: of the event; an End: what was told before, that its time is over, is told again.
    """

    place: float
    value: Any


class Waits:
    """What the node under way waits for.

    Events are given one at a time, in the order they were sent: whoever takes the first of several is given that which
    was sent first, whenever it looks and however often.

    Attributes:
        taken: what was given.
        last: the greatest place of it.
    """

    def __init__(self) -> None:
        self.taken = Taken()
        self.last = 0.0
        self._open: list[Wait] = []
        self._looking: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Task[None]] = WeakKeyDictionary()

    async def wait_for(self, ctx: ItemContext, name: str, timeout_s: float | None) -> Any:
        """See ItemContext.wait_for."""
        ctx = innermost(ctx)
        async with self.taken.turn(name):
            number = self.received(name) + self.taken.count(name)
            value = await self.told(Wait(ctx, name, number, timeout_s, self.ends(name, number, timeout_s)))
            self.taken.give(name, ctx)
            return value

    def received(self, name: str) -> int:
        """Events of this name that the nodes before have taken."""
        raise NotImplementedError

    def ends(self, name: str, number: int, timeout_s: float | None) -> list[End]:
        """When a wait is given up that begins now."""
        return [] if timeout_s is None else [End(time.time() + timeout_s)]

    def is_paused(self) -> bool:
        """Whether no wait is told anything for now, nor given up."""
        return False

    async def look(self, waits: Sequence[Wait]) -> Mapping[Wait, Sent]:
        """What there is to tell them."""
        raise NotImplementedError

    def give_up(self, wait: Wait, end: End) -> None:
        """Its time is over."""
        if end.limit is None:
            error = TimeoutError(f"the event {wait.name!r} did not come within {wait.timeout_s:g} s")
            wait.answer.set_exception(error)
            return
        for one in self.under(end.limit):  # nothing is told: they are cancelled
            self._open.remove(one)
        end.limit.end()

    def under(self, limit: Limit) -> list[Wait]:
        """What waits within a call that has this limit."""
        return [wait for wait in self._open if any(end.limit is limit for end in wait.ends)]

    async def rest(self, waits: Sequence[Wait]) -> None:
        """Nothing of that was sent: wait a little, or answer them."""
        raise NotImplementedError

    async def told(self, wait: Wait) -> Any:
        """What there is to tell *wait*, as soon as there is."""
        loop = asyncio.get_running_loop()
        looking = self._looking.get(loop)
        self._open.append(wait)
        if looking is None or looking.done():
            self._looking[loop] = asyncio.create_task(self._look(loop))
        try:
            return await wait.answer
        finally:
            if wait in self._open:
                self._open.remove(wait)

    def open_in(self, loop: asyncio.AbstractEventLoop) -> list[Wait]:
        """The waits of this loop that were told nothing so far."""
        return [wait for wait in self._open if wait.answer.get_loop() is loop and not wait.answer.done()]

    async def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer all that wait in this loop, until nobody does."""
        try:
            while True:
                await asyncio.sleep(0)  # for those that begin in the same moment
                waits = self.open_in(loop)
                if not waits:
                    return
                if self.is_paused():
                    await asyncio.sleep(MOMENT_S)
                    continue
                sent = await self.look(waits)
                if self.open_in(loop) != waits:
                    continue
                if not self._answer(waits, sent):
                    await self.rest(waits)
                elif len(waits) > 1:
                    await asyncio.sleep(MOMENT_S)
        except BaseException as error:  # theirs, whatever it is: this task has nobody else to tell
            for wait in self.open_in(loop):
                wait.answer.set_exception(error)

    def _answer(self, waits: Sequence[Wait], sent: Mapping[Wait, Sent]) -> bool:
        """Tell one of them something; whether there was anything to tell."""
        if sent:
            wait = min(sent, key=lambda one: sent[one].place)
            if isinstance(sent[wait].value, End):
                self.give_up(wait, sent[wait].value)
            else:
                self.last = max(self.last, sent[wait].place)
                wait.answer.set_result(sent[wait].value)
            return True
        ends = [(end, wait) for wait in waits for end in wait.ends]
        first = min(ends, key=lambda one: one[0].until_s, default=None)
        if first is None or first[0].until_s > time.time():
            return False
        self.give_up(first[1], first[0])
        return True
