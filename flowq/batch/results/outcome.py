"""Outcome: the outcome of one item."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from flowq.errors import RemoteError
from flowq.portable import format_traceback
from flowq.registry import register

Status = Literal["ok", "fallback", "failed", "cancelled"]


def key_for_people(key_of: Callable[[Any], str] | None, item: Any) -> str | None:
    """The item's key for display; None without a key function, or if that raises."""
    try:
        return None if key_of is None else key_of(item)
    except Exception:  # display only: the item itself fails with it if it needs its key
        return None


@register
@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one item of a batch.

    Attributes:
        index: the item's index in the batch, from 0.
        status: "ok", "fallback" (the output is from ``exec_fallback``), "failed", or "cancelled" (the batch ended
            before the item did).
        output: the return value of ``exec`` or ``exec_fallback``; None if there is none.
        error: the exception of a failed or cancelled item; for "fallback", the exception that the fallback replaced.
        attempts: number of tries of ``exec`` that ended; 0 if the item was never tried or did not end.
        execution_time: seconds spent on the item, without the waits between tries.
        worker: the process that ran it ("" for this one).
        key: the item's key from the node's ``key=`` function; None without one, if it raised, or if the item is no
            longer available.
        input: the item itself if it is still available, else None.
    """

    index: int
    status: Status
    output: Any = None
    error: Exception | None = None
    attempts: int = 1
    execution_time: float = 0.0
    worker: str = ""
    key: str | None = None
    input: Any = None

    @property
    def success(self) -> bool:
        """Whether the item has an output: "ok" or "fallback"."""
        return self.status == "ok" or self.status == "fallback"

    @property
    def error_text(self) -> str:
        """The error as ``ValueError: no price``, from whichever process; "" without an error."""
        if self.error is None or isinstance(self.error, RemoteError):
            return "" if self.error is None else str(self.error)
        return f"{type(self.error).__name__}: {self.error}"

    @property
    def traceback(self) -> str:
        """The formatted traceback of ``error`` in the process that raised it; "" without an error."""
        return "" if self.error is None else format_traceback(self.error)
