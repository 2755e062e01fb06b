"""A steady pace for the start of items in this process. Never here: a rate shared by a fleet."""

from __future__ import annotations

from time import perf_counter


class Pace:
    """Spaces starts evenly.

    Args:
        per_s: starts per second; None for no limit.
    """

    __slots__ = ("_next", "_step_s")

    def __init__(self, per_s: float | None) -> None:
        self._step_s = 0.0 if per_s is None else 1.0 / per_s
        self._next = perf_counter()

    @property
    def is_set(self) -> bool:
        """Whether there is a limit at all."""
        return self._step_s > 0

    def take(self) -> float:
        """Take the next start; answers the seconds to wait until it may happen."""
        now = perf_counter()
        wait_s = max(0.0, self._next - now)
        # From now on when late: a pause is not made up for by a burst.
        self._next = max(self._next, now) + self._step_s
        return wait_s
