"""An estimate of the memory that a chunk's values take, from samples: to measure each value would cost too much."""

from __future__ import annotations

from collections.abc import Sequence
from sys import getsizeof
from typing import Any

from flowq.codec import MAX_BYTES

MOST_BYTES = MAX_BYTES // 2  # much more would not go into one commit


class Weight:
    """The estimated size of a growing list of values: at each look the newest stands for all since the last look."""

    def __init__(self) -> None:
        self._seen = self._size_bytes = 0

    def is_too_much(self, values: Sequence[Any]) -> bool:
        """Whether to commit the values before more are added. Of a container only its own size is counted."""
        if len(values) > self._seen:
            self._size_bytes += getsizeof(values[-1]) * (len(values) - self._seen)
            self._seen = len(values)
        return self._size_bytes > MOST_BYTES
