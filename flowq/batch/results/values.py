"""Values: the values of a batch in item order, computed piece by piece under its policy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flowq.batch.policies.policy import BatchPolicy
from flowq.batch.results.in_item_order import Piece

MOST_ERRORS = 100


class Values:
    """The values of a ``BatchResult``, without storing them: None for a failed item, nothing for a skipped one.

    Args:
        policy: the batch's policy.
        read: returns the values of a piece that has outcomes.

    Attributes:
        broken: whether an item without a value was found and the policy tolerates none, so that no values follow.
        errors: the exceptions of the first 100 failed items, by index.
    """

    def __init__(self, policy: BatchPolicy, read: Callable[[Piece], list[Any]]) -> None:
        self._on_error = policy.on_error
        self._puts_up = policy.failures_allowed(None) > 0
        self._read = read
        self.broken = False
        self.errors: dict[int, Exception] = {}

    def of(self, piece: Piece) -> list[Any]:
        """The values of *piece*, fewer once ``broken``."""
        if self.broken:
            return []
        if piece.done is None:
            if self._on_error == "collect":
                return [None] * (piece.stop - piece.start)
            self.broken = True
            return []
        values = self._read(piece)
        noted = piece.done.notable
        failed = [index for index in noted if piece.start <= index < piece.stop and noted[index].status == "failed"]
        if not failed:
            return values
        self._remember(piece, failed)
        if self._on_error == "raise" and not self._puts_up:
            self.broken = True
            return values[: min(failed) - piece.start]
        if self._on_error == "skip":
            without = set(failed)
            return [value for index, value in enumerate(values, piece.start) if index not in without]
        return values

    def _remember(self, piece: Piece, failed: list[int]) -> None:
        assert piece.done is not None
        for index in failed[: MOST_ERRORS - len(self.errors)]:
            error = piece.done.notable[index].error
            if error is not None:
                self.errors[index] = error


def plain_values(piece: Piece) -> list[Any]:
    """The values of a piece whose Done holds them in memory."""
    done = piece.done
    assert done is not None
    if piece.start == done.start and piece.stop == done.upto:
        return done.values
    return done.values[piece.start - done.start : piece.stop - done.start]
