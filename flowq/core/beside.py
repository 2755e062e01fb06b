"""What runs side by side in one call, and whether any of it is at work. Never what runs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowq.core.context import ItemContext


class Beside:
    """The calls that one call makes at the same time, as far as they have begun and not ended."""

    def __init__(self) -> None:
        self.under_way: set[ItemContext] = set()

    @contextmanager
    def runs(self, ctx: ItemContext) -> Iterator[None]:
        """The block is one of them, and *ctx* the context of it."""
        ctx.beside = self
        self.under_way.add(ctx)
        try:
            yield
        finally:
            self.under_way.discard(ctx)


def somebody_works(waiting: Iterable[ItemContext]) -> bool:
    """Whether there is anything beside the calls of these contexts, which wait, that does not wait as well."""
    within = {one for ctx in waiting for one in ctx.chain()}
    return any(other not in within for ctx in within if ctx.beside for other in ctx.beside.under_way)
