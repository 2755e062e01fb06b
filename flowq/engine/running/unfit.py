"""Batches that this process cannot run: a class it does not know, a header or a page it cannot read.

Their chunks are left unclaimed, so that the ledger doubles its wait for each until a worker that knows more takes it.
Where such a worker is there already, a chunk is passed on at once, a few times: that is quicker, and ends.
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
MAX_PASSES = 3  # of a chunk by one process, until the ledger brings it again


@dataclass(slots=True)
class _Lack:
    reason: str
    until_s: float
    wanted: frozenset[str]


class Unfit:
    """One process's memory of them. What it lacks to run a batch it lacks for its life; other failures may pass."""

    def __init__(self) -> None:
        self._batches: OrderedDict[str, _Lack] = OrderedDict()
        self._passes: OrderedDict[tuple[str, str], int] = OrderedDict()

    def note(self, batch_id: str, error: BaseException, wanted: frozenset[str] = frozenset()) -> str:
        """Remember why this process cannot run a batch, in one line.

        Args:
            batch_id: the batch.
            error: what came of the attempt.
            wanted: the node classes a worker needs for it, where they can be said.
        """
        lasting = isinstance(error, (CannotTravel, DecodeError))
        reason = " ".join((str(error) if lasting else f"{type(error).__name__}: {error}").split())[:MAX_REASON]
        until_s = math.inf if lasting else time.monotonic() + TRY_AGAIN_S
        _keep(self._batches, batch_id, _Lack(reason, until_s, wanted))
        return reason

    def reason(self, batch_id: str) -> str | None:
        """Why this process cannot run a batch; None if nothing is known against it."""
        lack = self._batches.get(batch_id)
        return lack.reason if lack is not None and lack.until_s > time.monotonic() else None

    def forget(self, batch_id: str) -> None:
        """What is known against a batch holds no more."""
        self._batches.pop(batch_id, None)

    def wanted(self, batch_id: str) -> frozenset[str]:
        """The node classes that a worker needs for the batch; none if that cannot be said."""
        lack = self._batches.get(batch_id)
        return frozenset() if lack is None else lack.wanted

    def may_pass_on(self, batch_id: str, chunk_id: str) -> bool:
        """Whether to publish a chunk again at once: three times, then it waits for the ledger and may be again."""
        passes = self._passes.get((batch_id, chunk_id), 0)
        _keep(self._passes, (batch_id, chunk_id), (passes + 1) % (MAX_PASSES + 1))
        return passes < MAX_PASSES

    def leave(self, batch_id: str, chunk_id: str, reason: str) -> str:
        """Log that a chunk is left alone, and say so for Flower."""
        fields = {"batch": batch_id, "chunk": chunk_id}
        log.error("chunk %s of %s was left to another worker: %s", chunk_id, batch_id, reason, extra=fields)
        return f"left to another worker: {reason}"


def _keep(memory: OrderedDict[Key, Value], key: Key, value: Value) -> None:
    memory[key] = value
    memory.move_to_end(key)
    if len(memory) > REMEMBERED:
        memory.popitem(last=False)
