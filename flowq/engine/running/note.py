"""What a slot notes of what it holds, for its worker's main process to beat for. Never here: what it does with it."""

from __future__ import annotations

from typing import Protocol


class Holds(Protocol):
    """Where a slot notes what it holds, for the main process to beat for."""

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
    """That this process holds a chunk (or ``agg``), as its main process reads it."""

    def __init__(self, holds: Holds, batch_id: str, chunk_id: str, holder: str) -> None:
        self._holds, self._batch_id = holds, batch_id
        self.id = chunk_id
        holds.hold(batch_id, chunk_id, holder)

    def move(self, chunk_id: str) -> None:
        """It is held as another record from now on."""
        old, self.id = self.id, chunk_id
        self._holds.move(self._batch_id, old, chunk_id)

    def take_back(self) -> None:
        """It is held no more."""
        self._holds.release(self._batch_id, self.id)
