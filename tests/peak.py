"""How many are at work at once: counted as they enter and leave. For one process."""

from __future__ import annotations


class Peak:
    """Counts who is inside ``with peak:``; *most* were there at once."""

    def __init__(self) -> None:
        self._inside = 0
        self.most = 0

    def __enter__(self) -> None:
        self._inside += 1
        self.most = max(self.most, self._inside)

    def __exit__(self, *_: object) -> None:
        self._inside -= 1
