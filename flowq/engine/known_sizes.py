"""Chunk sizes that suited a node's items in this process: the first sizes of the next batch of the same node."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from flowq.codec import content_hash

REMEMBERED = 64


class Sizes(NamedTuple):
    """Items per chunk: ``size`` fill its time budget, ``floor`` is the fewest that are worth a chunk's cost."""

    size: int
    floor: int = 1


class KnownSizes:
    """The last sizes by encoded spec; the least recently noted are forgotten."""

    def __init__(self) -> None:
        # Keyed by hash: an encoded spec may be megabytes long.
        self._sizes: OrderedDict[str, Sizes] = OrderedDict()

    def note(self, spec: bytes, sizes: Sizes) -> None:
        """Remember that chunks of these sizes suited the node."""
        name = content_hash(spec)
        self._sizes[name] = sizes
        self._sizes.move_to_end(name)
        if len(self._sizes) > REMEMBERED:
            self._sizes.popitem(last=False)

    def get(self, spec: bytes) -> Sizes | None:
        """The sizes noted last; None for a node whose items have not run in this process."""
        return self._sizes.get(content_hash(spec))
