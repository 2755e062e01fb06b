"""Why a batch ended before its last item, in words: the same in this process and on workers."""

from __future__ import annotations

from flowq.batch.policy import BatchPolicy

CANCELLED = "the batch was cancelled"
ORPHANED = "nobody went on with giving its items"


def late(deadline_s: float) -> str:
    """The batch took longer than its ``deadline``."""
    return f"the deadline of {deadline_s:g} s has passed"


def stopped(failed: int, policy: BatchPolicy) -> str:
    """More items failed than the policy puts up with."""
    allowed = "" if policy.max_failures is None else f", max_failures={policy.max_failures}"
    return f"stopped after {failed} failed (on_error={policy.on_error!r}{allowed})"
