"""The notes by which a slot tells its worker's main process what it holds, so that it beats for that."""

from __future__ import annotations

from typing import Protocol


class Holds(Protocol):
    """Where a slot notes what it holds; implemented by the boards that the main process reads."""

    def hold(self, batch_id: str, chunk_id: str, holder: str) -> None: ...
    def release(self, batch_id: str, chunk_id: str) -> None: ...
    def move(self, batch_id: str, chunk_id: str, to: str) -> None: ...
    def running(self, index: int, limit_s: float) -> None: ...
    def prolong(self, limit_s: float) -> None: ...
    def unlimited(self) -> None: ...
    def idle(self) -> None: ...
    def stopping(self) -> bool: ...
    def gone(self) -> bool: ...


class Note:
    """The note that this process holds a chunk (or ``agg``)."""

    def __init__(self, holds: Holds, batch_id: str, chunk_id: str, holder: str) -> None:
        self._holds, self._batch_id = holds, batch_id
        self.id = chunk_id
        holds.hold(batch_id, chunk_id, holder)

    def move(self, chunk_id: str) -> None:
        """Change the note to another chunk, which the same process holds instead."""
        old, self.id = self.id, chunk_id
        self._holds.move(self._batch_id, old, chunk_id)

    def take_back(self) -> None:
        """Remove the note."""
        self._holds.release(self._batch_id, self.id)
