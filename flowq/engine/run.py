"""What flowq's Celery tasks do, with no Celery in it: claim a chunk, run it the way its node asks for."""

from __future__ import annotations

import logging
from typing import Any

from flowq.engine.aggregate import Merge
from flowq.engine.chunk import JUDGED, ChunkRun
from flowq.engine.ledger import Claimed
from flowq.engine.slot import Slot
from flowq.engine.stream import StreamRun
from flowq.errors import BatchLost, CannotTravel, DecodeError

log = logging.getLogger("flowq.run")


def run_chunk(slot: Slot, batch_id: str, chunk_id: str) -> str:
    """Run one chunk and say how it went, for Flower.

    Redelivery: a chunk that is done, or held by somebody who lives, is left alone.
    """
    ledger = slot.connections.ledger
    claim = ledger.claim(batch_id, chunk_id, slot.holder, fields=[*JUDGED, *slot.headers.wanted(batch_id)])
    if not isinstance(claim, Claimed):
        return claim
    with slot.holding(batch_id, claim.id):
        try:
            slot.headers.learn(batch_id, claim.fields[len(JUDGED) :])
            work = slot.work(batch_id)
        except (BatchLost, CannotTravel, DecodeError) as error:
            # Another worker may know what this one does not: the chunk is due again, and nothing is counted.
            log.error("a chunk was handed back", extra={"batch": batch_id, "chunk": chunk_id, "error": str(error)})
            ledger.commit(batch_id, claim.id, claim.start, claim.start, slot.holder, give="hand")
            return f"handed back: {error}"
        # After a crash items run one by one whatever their kind: beside others a death would not name its item.
        if (work.runner.is_async or work.in_flight > 1) and not claim.solo:
            return slot.run_async(StreamRun(slot, work, claim).run())
        return ChunkRun(slot, work, claim).run()


def rules_of(slot: Slot, batch_id: str) -> Merge:
    """How the batch's folds merge."""
    node: Any = slot.work(batch_id).node
    return node.fold if hasattr(node, "fold") else list
