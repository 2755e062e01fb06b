"""What became of one item. Never here: how it got there (runner) or how many of them are kept (chunk)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from flowq.errors import RemoteError
from flowq.portable import format_traceback
from flowq.registry import register

Status = Literal["ok", "fallback", "failed", "cancelled"]


def key_for_people(key_of: Callable[[Any], str] | None, item: Any) -> str | None:
    """The item's key as it is shown, beside an outcome that stands; None where there is none to be had."""
    try:
        return None if key_of is None else key_of(item)
    except Exception:  # which the item has failed of, if it was asked then
        return None


@register
@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one item of a batch.

    Attributes:
        index: the item's place in the batch, from 0.
        status: "ok", "fallback" (``exec_fallback`` answered for it), "failed", or "cancelled" (the batch ended
            before the item did).
        output: what ``exec`` or ``exec_fallback`` returned; None when there is none.
        error: why it failed or was cancelled.
        attempts: tries of ``exec`` that came to an end; 0 when the item never ran or was cut short.
        execution_time: seconds spent on the item, waits between tries not counted.
        worker: the process that ran it ("" for this one).
        key: what the node's ``key=`` function made of the item, if there is one; None where it raised, and where the
            item is not at hand any more.
        input: the item itself where it is still at hand, else None.
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
        """The error as ``ValueError: no price``, whichever process it comes from; "" without one."""
        if self.error is None or isinstance(self.error, RemoteError):
            return "" if self.error is None else str(self.error)
        return f"{type(self.error).__name__}: {self.error}"

    @property
    def traceback(self) -> str:
        """Where ``error`` was raised, in whichever process that was, as Python prints it; "" without an error."""
        return "" if self.error is None else format_traceback(self.error)
