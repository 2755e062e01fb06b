"""``Breaker``: when to leave a failing service alone, as a value. Never here: its state (circuit, the engine)."""

from __future__ import annotations

from dataclasses import dataclass

from flowq.core.given import is_number, require_text
from flowq.core.retry import ErrorFilter, RetryAfter, error_filter, matches
from flowq.registry import register


@register
@dataclass(frozen=True)
class Breaker:
    """After so many failed tries in a row, of whatever items on whatever workers, no item starts for a time.

    Then one item is tried. If that succeeds the others go on, else they wait for as long again (Nygard, Release It!,
    2007). A ``RetryAfter`` is an answer of a service that works, and no failure.

    Attributes:
        failures: failed tries in a row, at least 1.
        reset: seconds without a start.
        trip_on: what counts as a failure: an exception class, a tuple of them, or a predicate, as in ``Retry``.
        fail_fast: items that would have to wait fail with ``CircuitOpen`` at once, or take their fallback.
        name: batches whose breakers have the same name share it (None: every batch has its own).

    Raises:
        ValueError: fewer than one failure, or no time.
        TypeError: a filter that is none.
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
        """Whether *exc* speaks against the service."""
        return not isinstance(exc, RetryAfter) and matches(self.trip_on, exc)
