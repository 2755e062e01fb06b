"""Leases: the main process beats for what its living children hold, and frees at once what a dead child held."""

from __future__ import annotations

import logging
import os
from collections import defaultdict
from collections.abc import Iterable

from flowq.engine.batches import Headers
from flowq.engine.connection import Connections
from flowq.engine.dispatch import publish_chunks
from flowq.engine.ledger import Committed, Give, Stale
from flowq.errors import BatchLost, DecodeError
from flowq.worker.pages import Held, PageView, SharedPages

log = logging.getLogger("flowq.leases")


def is_dead(pid: int) -> bool:
    """Whether our child *pid* has ended; it is not reaped here: the pool does that."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


class Leases:
    """Beats and frees for one worker."""

    def __init__(self, connections: Connections, headers: Headers, pages: SharedPages) -> None:
        self._connections, self._headers, self._pages = connections, headers, pages
        self.stopping = False

    def tick(self) -> None:
        """One round; called every second from the main process."""
        living: list[PageView] = []
        for page in self._pages.used():
            if is_dead(page.pid):
                self._free(page)
                self._pages.clear(page.number)
            else:
                living.append(page)
        self._beat(held for page in living for held in page.held)

    def _beat(self, held: Iterable[Held]) -> None:
        by_batch: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for batch_id, chunk_id, holder in held:
            by_batch[batch_id].append((chunk_id, holder))
        for batch_id, pairs in by_batch.items():
            self._connections.ledger.beat(batch_id, pairs)

    def _free(self, page: PageView) -> None:
        """A process of ours died under these chunks: the ledger learns it now, not when the lease lapses."""
        cause: Give = "hand" if self.stopping else "crash"
        for batch_id, chunk_id, holder in page.held:
            if chunk_id == "agg":
                continue  # due again by itself
            log.warning(
                "a worker process died",
                extra={"pid": page.pid, "batch": batch_id, "chunk": chunk_id, "item": page.item},
            )
            self._give_back(batch_id, chunk_id, holder, cause)

    def _give_back(self, batch_id: str, chunk_id: str, holder: str, cause: Give) -> None:
        start = int(chunk_id.partition(":")[2].partition("-")[0])
        reply = self._connections.ledger.commit(batch_id, chunk_id, start, start, holder, give=cause)
        if isinstance(reply, Stale):
            start = reply.start
            reply = self._connections.ledger.commit(batch_id, chunk_id, start, start, holder, give=cause)
        if isinstance(reply, Committed):
            try:
                publish_chunks(self._connections, self._headers.get(batch_id), reply.ids)
            except (BatchLost, DecodeError) as error:
                log.warning("a freed chunk was not published", extra={"batch": batch_id, "error": str(error)})
