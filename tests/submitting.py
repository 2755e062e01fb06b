"""Submitting to workers, with the handle that only these give: counters of the ledger, a result with a time limit."""

from __future__ import annotations

from typing import Any

import flowq


def submit(node: flowq.ParallelBatchNode[Any, Any], items: Any, **options: Any) -> flowq.BatchHandle[Any]:
    """``node.submit(items, **options)``, which must go to workers."""
    handle = node.submit(items, **options)
    assert isinstance(handle, flowq.BatchHandle), "no cluster is active"
    return handle
