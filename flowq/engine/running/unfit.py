"""Batches that this process cannot run: a class is unknown here, or a header or a page cannot be read.

Their chunks stay unclaimed, so that the ledger doubles the wait for each until a worker that can run it takes it. If
such a worker is there already, a chunk is published again at once, which is quicker, but only a few times.
"""

from __future__ import annotations

import logging
import math
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeVar

from flowq.errors import CannotTravel, DecodeError

log = logging.getLogger("flowq.run")

Key = TypeVar("Key")
Value = TypeVar("Value")

REMEMBERED = 256
TRY_AGAIN_S = 60.0
MAX_REASON = 500
MAX_PASSES = 3  # times that a process publishes a chunk again, before it waits for the ledger to do so


@dataclass(slots=True)
class _Lack:
    reason: str
    until_s: float
    wanted: frozenset[str]


class Unfit:
    """A process's memory of batches it cannot run: for ever if it cannot find a class or decode it, else a minute."""

    def __init__(self) -> None:
        self._batches: OrderedDict[str, _Lack] = OrderedDict()
        self._passes: OrderedDict[tuple[str, str], int] = OrderedDict()

    def note(self, batch_id: str, error: BaseException, wanted: frozenset[str] = frozenset()) -> str:
        """Remember why this process cannot run a batch, in one line.

        Args:
            batch_id: the batch.
            error: raised by the attempt to run it.
            wanted: the node classes that a worker needs for it, if they are known.
        """
        lasting = isinstance(error, (CannotTravel, DecodeError))
        reason = " ".join((str(error) if lasting else f"{type(error).__name__}: {error}").split())[:MAX_REASON]
        until_s = math.inf if lasting else time.monotonic() + TRY_AGAIN_S
        _keep(self._batches, batch_id, _Lack(reason, until_s, wanted))
        return reason

    def reason(self, batch_id: str) -> str | None:
        """Why this process cannot run a batch; None if no reason is known."""
        lack = self._batches.get(batch_id)
        return lack.reason if lack is not None and lack.until_s > time.monotonic() else None

    def forget(self, batch_id: str) -> None:
        """Forget why this process could not run a batch."""
        self._batches.pop(batch_id, None)

    def wanted(self, batch_id: str) -> frozenset[str]:
        """The node classes that a worker needs for the batch; empty if they are not known."""
        lack = self._batches.get(batch_id)
        return frozenset() if lack is None else lack.wanted

    def may_pass_on(self, batch_id: str, chunk_id: str) -> bool:
        """Whether to publish a chunk again at once: three times in a row, then the ledger does it once, and so on."""
        passes = self._passes.get((batch_id, chunk_id), 0)
        _keep(self._passes, (batch_id, chunk_id), (passes + 1) % (MAX_PASSES + 1))
        return passes < MAX_PASSES

    def leave(self, batch_id: str, chunk_id: str, reason: str) -> str:
        """Log that a chunk is left to another worker; returns the text for Flower."""
        fields = {"batch": batch_id, "chunk": chunk_id}
        log.error("chunk %s of %s was left to another worker: %s", chunk_id, batch_id, reason, extra=fields)
        return f"left to another worker: {reason}"


def _keep(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
