"""Beside: the calls that run concurrently inside one call, to tell whether any of them is not waiting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowq.core.context import ItemContext


class Beside:
    """The concurrent calls of one call that have started and not ended."""

    def __init__(self) -> None:
        self.under_way: set[ItemContext] = set()

    @contextmanager
    def runs(self, ctx: ItemContext) -> Iterator[None]:
        """Register *ctx*, the context of a concurrent call, for the duration of the block."""
        ctx.beside = self
        self.under_way.add(ctx)
        try:
            yield
        finally:
            self.under_way.discard(ctx)


def somebody_works(waiting: Iterable[ItemContext]) -> bool:
    """Whether any call concurrent to these waiting contexts does not wait itself."""
    within = {one for ctx in waiting for one in ctx.chain()}
    return any(other not in within for ctx in within if ctx.beside for other in ctx.beside.under_way)
