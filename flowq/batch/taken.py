"""The events that the node under way was given, of those that were sent to its run. Never where events are kept."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import MutableMapping

from flowq.core.context import ItemContext


class Taken:
    """What counts as received only once the node is done: a try that failed gives back what it was given."""

    def __init__(self) -> None:
        self._given: list[tuple[str, ItemContext]] = []
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    def turn(self, name: str) -> asyncio.Lock:
        """Held by one wait for this event at a time: others beside it are for the events after that."""
        return self._turns[name]

    def count(self, name: str) -> int:
        """Events of this name that the node was given, in this try or before its tries."""
        return sum(given == name and not is_over(ctx) for given, ctx in self._given)

    def give(self, name: str, ctx: ItemContext) -> None:
        """The call of *ctx* was given one."""
        self._given.append((name, ctx))

    def settle(self, received: MutableMapping[str, int]) -> None:
        """The node is done: add what it was given to *received*, by name."""
        for name in {name for name, _ in self._given}:
            received[name] = received.get(name, 0) + self.count(name)
        self._given.clear()


def is_over(ctx: ItemContext) -> bool:
    """Whether the try that made the call has failed, or one around it, or has lost a race."""
    return any(one.failed for one in ctx.chain())
