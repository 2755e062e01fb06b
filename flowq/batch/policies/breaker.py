"""Breaker: the circuit breaker for a failing service, as a value. A Circuit (running/gate.py) keeps its state."""

from __future__ import annotations

from dataclasses import dataclass

from flowq.core.given import is_number, require_text
from flowq.core.retry import ErrorFilter, RetryAfter, error_filter, matches
from flowq.registry import register


@register
@dataclass(frozen=True)
class Breaker:
    """A circuit breaker: after *failures* failed tries in a row, of any items on any workers, it opens: no item starts.

    After *reset* seconds one item is tried. If it succeeds, the others continue, else they wait for the same time again
    (Nygard, Release It!, 2007). A ``RetryAfter`` does not count as a failure: the service has answered.

    Attributes:
        failures: number of failed tries in a row, at least 1.
        reset: seconds for which the breaker stays open.
        trip_on: the exceptions that count as failures: a class, a tuple of them, or a predicate, as in ``Retry``.
        fail_fast: items that would have to wait fail with ``CircuitOpen`` at once, or use their fallback.
        name: batches whose breakers have the same name share its state (None: every batch has its own).

    Raises:
        ValueError: *failures* < 1, or *reset* is not finite and above 0.
        TypeError: *trip_on* has none of these forms.
    """

    failures: int = 5
    reset: float = 30.0
    trip_on: ErrorFilter = Exception
    fail_fast: bool = False
    name: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.failures, bool) or not isinstance(self.failures, int) or self.failures < 1:
            raise ValueError(f"failures counts failed tries, a whole number >= 1, not {self.failures!r}")
        if self.name is not None:
            require_text("the name of a breaker", self.name)
        if not is_number(self.reset) or self.reset <= 0:
            raise ValueError(f"reset is finite and > 0 seconds, not {self.reset!r}")
        object.__setattr__(self, "trip_on", error_filter("trip_on", self.trip_on))

    def counts(self, exc: Exception) -> bool:
        """Whether *exc* counts as a failure of the service."""
        return not isinstance(exc, RetryAfter) and matches(self.trip_on, exc)
