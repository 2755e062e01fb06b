"""The reasons why a batch ended before its last item, as texts: the same in this process and on workers."""

from __future__ import annotations

from flowq.batch.policies.policy import BatchPolicy

CANCELLED = "the batch was cancelled"
ORPHANED = "nobody went on with giving its items"


def late(deadline_s: float) -> str:
    """The reason of a batch that took longer than its ``deadline``."""
    return f"the deadline of {deadline_s:g} s has passed"


def stopped(failed: int, policy: BatchPolicy) -> str:
    """The reason of a batch in which more items failed than the policy tolerates."""
    allowed = "" if policy.max_failures is None else f", max_failures={policy.max_failures}"
    return f"stopped after {failed} failed (on_error={policy.on_error!r}{allowed})"
