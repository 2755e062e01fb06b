"""Waiting for what a test expects to happen, until a deadline. The one place where a test sleeps."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

LOOK_EVERY_S = 0.01


def until(condition: Callable[[], T | None], timeout_s: float, what: str = "") -> T:
    """What *condition* answers as soon as that is true; fails after *timeout_s* seconds, naming *what* was awaited."""
    deadline = time.monotonic() + timeout_s
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout_s:g} s: {what or condition}")
        time.sleep(LOOK_EVERY_S)
    return answer
