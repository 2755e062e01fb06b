"""How long a caller is willing to wait, as it was given. Never the wait itself."""

from __future__ import annotations

import math
import threading


def seconds_of(timeout: float | None) -> float | None:
    """*timeout* as any lock takes it: None for one that never comes.

    Raises:
        TypeError, ValueError: it is no number of seconds.
    """
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int | float):
        raise TypeError(f"timeout is a number of seconds, or None to wait without end, not {type(timeout).__name__}")
    if math.isnan(timeout):
        raise ValueError("timeout is a number of seconds, or None to wait without end, not NaN")
    return None if timeout > threading.TIMEOUT_MAX else max(0.0, float(timeout))
