"""Taken: the events of a run that its current node has consumed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import MutableMapping

from flowq.core.context import ItemContext


class Taken:
    """Consumed events, which count as received only when the node is done: a failed try gives its events back."""

    def __init__(self) -> None:
        self._given: list[tuple[str, ItemContext]] = []
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, name: str) -> asyncio.Lock:
        """The lock for this event: of concurrent waits each gets a later event than the one before it."""
        return self._turns[name]

    def count(self, name: str) -> int:
        """Number of events of this name that the node has consumed, without those of failed tries."""
        return sum(given == name and not is_over(ctx) for given, ctx in self._given)

    def give(self, name: str, ctx: ItemContext) -> None:
        """Record that the call of *ctx* has consumed an event."""
        self._given.append((name, ctx))

    def settle(self, received: MutableMapping[str, int]) -> None:
        """The node is done: add the number of consumed events to *received*, by name."""
        for name in {name for name, _ in self._given}:
            received[name] = received.get(name, 0) + self.count(name)
        self._given.clear()


def is_over(ctx: ItemContext) -> bool:
    """Whether the call's try, or an enclosing one, has failed or has lost a race."""
    return any(one.failed for one in ctx.chain())
