"""Batches that this process cannot run: a class it does not know, a header or a page it cannot read.

Their chunks are left unclaimed, so that the ledger doubles its wait for each until a worker that knows more takes it.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict

from flowq.errors import CannotTravel, DecodeError

log = logging.getLogger("flowq.run")

REMEMBERED = 256
TRY_AGAIN_S = 60.0
MAX_REASON = 500


class Unfit:
    """One process's memory of them. What it lacks to run a batch it lacks for its life; what else failed may pass."""

    def __init__(self) -> None:
        self._batches: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def note(self, batch_id: str, chunk_id: str, error: BaseException) -> str:
        """Remember and log why this process hands a chunk back; answers it."""
        lasting = isinstance(error, (CannotTravel, DecodeError))
        reason = " ".join((str(error) if lasting else f"{type(error).__name__}: {error}").split())[:MAX_REASON]
        self._batches[batch_id] = (reason, math.inf if lasting else time.monotonic() + TRY_AGAIN_S)
        self._batches.move_to_end(batch_id)
        if len(self._batches) > REMEMBERED:
            self._batches.popitem(last=False)
        return self._left(batch_id, chunk_id, reason)

    def leave(self, batch_id: str, chunk_id: str) -> str | None:
        """Why this process leaves a chunk of this batch to another, logged; None if nothing speaks against it."""
        reason, until = self._batches.get(batch_id, ("", 0.0))
        return self._left(batch_id, chunk_id, reason) if until > time.monotonic() else None

    @staticmethod
    def _left(batch_id: str, chunk_id: str, reason: str) -> str:
        fields = {"batch": batch_id, "chunk": chunk_id}
        log.error("chunk %s of %s was left to another worker: %s", chunk_id, batch_id, reason, extra=fields)
        return f"left to another worker: {reason}"
