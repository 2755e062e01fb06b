"""The time after which a blocking item that exceeds its timeout is killed with its process. Kills nothing itself."""

from __future__ import annotations

from flowq.batch.policies.policy import BatchPolicy
from flowq.engine.limits.permits import PARK_OVER_S

GRACE_S = 1.0


def item_limit_s(policy: BatchPolicy) -> float:
    """Seconds after which an item that cannot be interrupted is killed with its process, over all tries; 0: never."""
    if policy.timeout is None:
        return 0.0
    return (policy.timeout + PARK_OVER_S) * policy.retry.attempts + GRACE_S
