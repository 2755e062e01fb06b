"""Waits: decides which wait of a node gets which event next. Where events are stored is the subclass's matter."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from flowq.batch.running.taken import Taken
from flowq.core.context import ItemContext, innermost
from flowq.core.limit import Limit

MOMENT_S = 0.02
"""Seconds between two events given to a node: the first may make the other waits unnecessary, as in a race."""


class End(NamedTuple):
    """A time at which a wait ends without an event.

    Attributes:
        until_s: the time, in seconds since the epoch.
        limit: the time limit of the enclosing call that ends then; None if only the wait ends.
        key: the name under which the time is stored.
    """

    until_s: float
    limit: Limit | None = None
    key: str = ""


@dataclass(eq=False, slots=True)
class Wait:
    """A pending call of ``ctx.wait_for``.

    Attributes:
        ctx: the context of the call.
        name, number: it waits for the *number*-th event of this name, from 0.
        timeout_s: the timeout of the call.
        ends: the times at which it ends without an event; the earliest counts.
        answer: the future of its result.
    """

    ctx: ItemContext
    name: str
    number: int
    timeout_s: float | None
    ends: list[End]
    answer: asyncio.Future[Any] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Sent(NamedTuple):
    """The answer to a wait.

    Attributes:
        place: position of the event among all that were sent to the run.
        value: value of the event; an End if the wait timed out before, and so times out again.
    """

    place: float
    value: Any


class Waits:
    """The pending waits of the current node.

    Events are given one at a time, in the order they were sent, so that of several waits the one whose event was sent
    first always wins, also when the node runs again.

    Attributes:
        taken: the consumed events.
        last: the greatest place of a consumed event.
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
        """Number of events of this name that earlier nodes have consumed."""
        raise NotImplementedError

    def ends(self, name: str, number: int, timeout_s: float | None) -> list[End]:
        """The times at which a wait that starts now ends without an event."""
        return [] if timeout_s is None else [End(time.time() + timeout_s)]

    def is_paused(self) -> bool:
        """Whether no wait is told anything for now, nor given up."""
        return False

    async def look(self, waits: Sequence[Wait]) -> Mapping[Wait, Sent]:
        """The answers that are available for *waits*."""
        raise NotImplementedError

    def give_up(self, wait: Wait, end: End) -> None:
        """End *wait*, whose time is over: with a TimeoutError, or by ending the enclosing call."""
        if end.limit is None:
            error = TimeoutError(f"the event {wait.name!r} did not come within {wait.timeout_s:g} s")
            wait.answer.set_exception(error)
            return
        for one in self.under(end.limit):  # no answer: ending the limit cancels them
            self._open.remove(one)
        end.limit.end()

    def under(self, limit: Limit) -> list[Wait]:
        """The pending waits inside the call with this time limit."""
        return [wait for wait in self._open if any(end.limit is limit for end in wait.ends)]

    async def rest(self, waits: Sequence[Wait]) -> None:
        """Called if there are no answers: sleep for a moment, or end the waits."""
        raise NotImplementedError

    async def told(self, wait: Wait) -> Any:
        """Wait until there is an answer to *wait*; returns its value."""
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
        """The waits of this event loop without an answer."""
        return [wait for wait in self._open if wait.answer.get_loop() is loop and not wait.answer.done()]

    async def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answer the waits of this event loop until there are none."""
        try:
            while True:
                await asyncio.sleep(0)  # so that waits started at the same time are included
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
        except BaseException as error:  # raised in the waits: nothing awaits this task
            for wait in self.open_in(loop):
                wait.answer.set_exception(error)

    def _answer(self, waits: Sequence[Wait], sent: Mapping[Wait, Sent]) -> bool:
        """Answer one of *waits*, or end one whose time is over; returns whether there was one."""
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
