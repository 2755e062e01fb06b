"""A batch as the ledger begins it, for tests that speak to the ledger alone."""

from __future__ import annotations

from typing import Any


def birth(batch_id: str, **fields: Any) -> dict[str, Any]:
    """What ``Ledger.append`` creates a batch with: no limits, chunks of one item to begin with; *fields* differ."""
    return {
        "id": batch_id, "channel": batch_id, "budget": -1, "share": -1, "concurrency": 0, "in_flight": 1, "size": 1,
        "floor": 1, "fixed": 0, "retention_ms": 10_000_000, **fields,
    }  # fmt: skip
