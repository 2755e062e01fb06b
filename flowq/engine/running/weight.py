"""How much memory the values of a run take so far, by one of them now and then: none is worth asking each for it."""

from __future__ import annotations

from collections.abc import Sequence
from sys import getsizeof
from typing import Any

from flowq.codec import MAX_BYTES

MOST_BYTES = MAX_BYTES // 2  # much more would not go into one commit


class Weight:
    """The weight of values that become more and more, where each look's newest stands for those since the last look."""

    def __init__(self) -> None:
        self._seen = self._size_bytes = 0

    def is_too_much(self, values: Sequence[Any]) -> bool:
        """Whether what is there is better committed before more is added. Of a container it is told what lies flat."""
        if len(values) > self._seen:
            self._size_bytes += getsizeof(values[-1]) * (len(values) - self._seen)
            self._seen = len(values)
        return self._size_bytes > MOST_BYTES
