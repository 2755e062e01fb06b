"""Chunk sizes that did for a node's items in this process: where the next batch of the same node begins."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

REMEMBERED = 64


class Sizes(NamedTuple):
    """Items of a chunk: ``size`` take about its budget, ``floor`` are the fewest that are worth its cost."""

    size: int
    floor: int = 1


class KnownSizes:
    """The last sizes by encoded spec; those not used for longest are forgotten."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[bytes, Sizes] = OrderedDict()

    def note(self, spec: bytes, sizes: Sizes) -> None:
        """Chunks of these sizes did well."""
        self._sizes[spec] = sizes
        self._sizes.move_to_end(spec)
        if len(self._sizes) > REMEMBERED:
            self._sizes.popitem(last=False)

    def get(self, spec: bytes) -> Sizes | None:
        """The sizes noted last, None for a node whose items nobody has run here."""
        return self._sizes.get(spec)
