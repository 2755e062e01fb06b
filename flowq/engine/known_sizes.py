"""Chunk sizes that did for a node's items in this process: where the next batch of the same node begins."""

from __future__ import annotations

from collections import OrderedDict

REMEMBERED = 64


class KnownSizes:
    """The last size by encoded spec; those not used for longest are forgotten."""

    def __init__(self) -> None:
        self._sizes: OrderedDict[bytes, int] = OrderedDict()

    def note(self, spec: bytes, size: int) -> None:
        """Chunks of *size* items take about their budget."""
        self._sizes[spec] = size
        self._sizes.move_to_end(spec)
        if len(self._sizes) > REMEMBERED:
            self._sizes.popitem(last=False)

    def get(self, spec: bytes) -> int | None:
        """The size noted last, None for a node whose items nobody has run here."""
        return self._sizes.get(spec)
