"""Retry: whether and when a failed try is made again. A pure value: it never sleeps and never counts."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeAlias

from flowq.core.given import is_number
from flowq.errors import FlowqError
from flowq.registry import class_name, current_name, register

ErrorFilter: TypeAlias = type[BaseException] | str | tuple[type[BaseException] | str, ...] | Callable[[Exception], bool]

# The limit of exponential growth without max_wait; beyond it a float or a sleep would overflow.
LONGEST_WAIT_S = 30 * 86400.0


@register
class RetryAfter(FlowqError):
    """Raise it from ``exec`` to be retried after *seconds*, whatever ``wait`` and ``retry_on`` say.

    The number of attempts still applies. Any exception with a numeric or timedelta ``retry_after`` also sets the wait.
    """

    def __init__(self, seconds: float, reason: str = "") -> None:
        super().__init__(seconds, reason)
        self.retry_after = seconds
        self.reason = reason

    def __str__(self) -> str:
        asked_s = asked_wait_s(self)
        after = repr(self.retry_after) if asked_s is None else f"{asked_s:g} s"
        return f"retry after {after}{f': {self.reason}' if self.reason else ''}"


@register
@dataclass(frozen=True)
class Retry:
    """How often an ``exec`` is tried, and how long to wait between the tries.

    After failed try n, counted from 0, the wait is ``min(wait * backoff ** n, max_wait)`` plus up to *jitter*.

    Attributes:
        attempts: tries in all, the first included; at least 1.
        wait: seconds before the second try.
        backoff: factor from one wait to the next; 1.0 keeps it constant.
        max_wait: longest wait in seconds, before jitter; None means 30 days.
        jitter: seconds; a random part of it is added to each wait, after the limit.
        retry_on: the exceptions to retry: an exception class, a tuple of them, or a predicate of the exception. Classes
            are stored by name (``module:QualName``), so that workers need not import them; an exception matches if its
            class or one of its bases has the name. A predicate cannot be sent to workers unless it is registered.
        give_up_on: the exceptions not to retry, even if *retry_on* matches; in the same three forms.

    Raises:
        ValueError: attempts < 1, or a negative number of seconds.
        TypeError: *retry_on* or *give_up_on* has none of these forms.
    """

    attempts: int = 1
    wait: float = 0.0
    backoff: float = 1.0
    max_wait: float | None = None
    jitter: float = 0.0
    retry_on: ErrorFilter = Exception
    give_up_on: ErrorFilter = ()

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int) or self.attempts < 1:
            raise ValueError(f"attempts (max_retries) counts all tries and is a whole number >= 1, not {self.attempts}")
        for name in ("wait", "backoff", "jitter", "max_wait"):
            value = getattr(self, name)
            if value is None and name == "max_wait":
                continue
            if not is_number(value) or value < 0:
                raise ValueError(f"{name} must be finite and >= 0, not {value!r}")
        for name in ("retry_on", "give_up_on"):
            object.__setattr__(self, name, error_filter(name, getattr(self, name)))

    def delay_s(self, exc: BaseException, attempt: int, rng: Callable[[], float] = random.random) -> float | None:
        """Seconds to wait before the next try, or None to give up.

        Args:
            exc: what the try raised. Only an ``Exception`` is ever retried.
            attempt: number of the try that failed, from 0.
            rng: returns a number in [0, 1), for the jitter.
        """
        if not isinstance(exc, Exception) or attempt + 1 >= self.attempts or matches(self.give_up_on, exc):
            return None
        if not isinstance(exc, RetryAfter) and not matches(self.retry_on, exc):
            return None
        asked_s = asked_wait_s(exc)
        if asked_s is not None:
            return asked_s
        limit_s = LONGEST_WAIT_S if self.max_wait is None else self.max_wait
        return min(self._grown_s(attempt), limit_s) + self.jitter * rng()

    def _grown_s(self, attempt: int) -> float:
        try:
            return float(self.wait * float(self.backoff) ** attempt)
        except OverflowError:
            return LONGEST_WAIT_S if self.wait else 0.0


def error_filter(field: str, wanted: Any) -> Any:
    """*wanted* with classes replaced by their names; a predicate as it is."""
    if not isinstance(wanted, type) and callable(wanted):
        return wanted
    names = tuple(
        class_name(one) if isinstance(one, type) and issubclass(one, BaseException) else one
        for one in (wanted if isinstance(wanted, tuple) else (wanted,))
    )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"{field} takes exception classes or a function of the exception, not {name!r}")
    return names


def matches(wanted: Any, exc: Exception) -> bool:
    """Whether *exc* is of one of the classes that *wanted* names, or the predicate *wanted* says so."""
    if isinstance(wanted, tuple):
        names = {current_name(one) for one in wanted}
        return any(class_name(cls) in names for cls in type(exc).__mro__)
    return bool(wanted(exc))


def asked_wait_s(exc: Exception) -> float | None:
    """The ``retry_after`` of *exc* in seconds, if it is a finite number >= 0 or a timedelta; else None."""
    asked: Any = getattr(exc, "retry_after", None)
    if isinstance(asked, timedelta):
        asked = asked.total_seconds()
    if isinstance(asked, int | float) and not isinstance(asked, bool) and 0 <= asked < math.inf:
        return float(asked)
    return None
