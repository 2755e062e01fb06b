"""A batch's counters as its ``Progress``."""

from __future__ import annotations

from flowq.batch.executor import Progress
from flowq.engine.reading.results import State


def progress_of(state: State, total: int | None = None) -> Progress:
    """The progress, with the rate at which items end and the time left at that rate.

    Args:
        state: the ledger's counters.
        total: number of items, if the caller knows it before the ledger does.
    """
    total = _total(state, total)
    rate = state.done / state.seconds if state.seconds > 0 else 0.0
    left = None if total is None else total - state.done
    eta_s = left / rate if left is not None and rate > 0 else None
    return Progress(
        total, state.done, state.ok, state.fallback, state.failed, state.parked, state.open_chunks, rate, eta_s,
        state.state,  # type: ignore[arg-type]
        state.retried,
    )  # fmt: skip


def length_of(state: State, known: int | None) -> int:
    """How many items a batch has. If it was closed while being fed, the ledger knows only those written by then."""
    return max(state.avail, known or 0) if state.cut else state.avail


def _total(state: State, known: int | None) -> int | None:
    if state.sealed:  # a close seals every batch
        return length_of(state, known)
    return None if known is None or known < state.avail else known
