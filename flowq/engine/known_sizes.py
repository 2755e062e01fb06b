"""Chunk sizes that did for a node's items in this process: where the next batch of the same node begins."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from flowq.codec import content_hash

REMEMBERED = 64


class Sizes(NamedTuple):
    """Items of a chunk: ``size`` take about its budget, ``floor`` are the fewest that are worth its cost."""

    size: int
    floor: int = 1


class KnownSizes:
    """The last sizes by encoded spec; those not used for longest are forgotten."""

    def __init__(self) -> None:
        # By their hashes: a graph may hold megabytes.
        self._sizes: OrderedDict[str, Sizes] = OrderedDict()

    def note(self, spec: bytes, sizes: Sizes) -> None:
        """Chunks of these sizes did well."""
        name = content_hash(spec)
        self._sizes[name] = sizes
        self._sizes.move_to_end(name)
        if len(self._sizes) > REMEMBERED:
            self._sizes.popitem(last=False)

    def get(self, spec: bytes) -> Sizes | None:
        """The sizes noted last, None for a node whose items nobody has run here."""
        return self._sizes.get(content_hash(spec))
