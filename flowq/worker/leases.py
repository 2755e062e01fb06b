"""Leases: the main process beats for what its living children hold, and frees at once what a dead child held."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from flowq.engine.batches import Headers
from flowq.engine.connection import Connections
from flowq.engine.freed import free
from flowq.engine.ledger import Give
from flowq.worker.pages import PageView, SharedPages

log = logging.getLogger("flowq.leases")


def is_dead(pid: int) -> bool:
    """Whether our child *pid* has ended; it is not reaped here: the pool does that."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def resident_mib(pid: int) -> float:
    """Resident memory of a process; 0 where it cannot be told."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Leases:
    """Beats and frees for one worker."""

    def __init__(self, connections: Connections, headers: Headers, pages: SharedPages) -> None:
        self._connections, self._headers, self._pages = connections, headers, pages
        self._memory_limit_mib = connections.settings.memory_limit_mib
        self.stopping = False
        self._killed: dict[int, Give] = {}
        self._every_s = connections.settings.pulse_s
        self._ticked_at = float("-inf")

    def keep_up(self) -> None:
        """A round, if the last one is longer ago than it should be.

        Asked before a batch is looked after: on a busy machine that may take so long that leases lapse meanwhile, and
        what this worker's processes hold would be called lost, or what a dead one held, which is a crash.
        """
        if time.monotonic() - self._ticked_at > self._every_s:
            self.tick()

    def tick(self) -> None:
        """One round; called every second from the main process."""
        self._ticked_at = time.monotonic()
        living: list[PageView] = []
        for page in self._pages.used():
            if is_dead(page.pid):
                self._bury(page)
            else:
                living.append(page)
                self._watch(page)
        self._beat(living)

    def _bury(self, page: PageView) -> None:
        """Free what the dead owner of a page held last; it may have taken more after *page* was read."""
        last = self._pages.read(page.number)
        if last.pid == page.pid:
            self._free(last)
            self._pages.clear(page.number)

    def _watch(self, page: PageView) -> None:
        """Kill a process whose item ran past its time, or that grew past its memory: nothing else would end them."""
        if page.pid in self._killed:
            return
        if page.kill_at and time.monotonic() > page.kill_at and self._pages.read(page.number) == page:
            self._kill(page, "overtime", "an item ran past its timeout")
        elif self._memory_limit_mib is not None and page.held and resident_mib(page.pid) > self._memory_limit_mib:
            self._kill(page, "crash", "a process grew past memory_limit_mib")

    def _kill(self, page: PageView, cause: Give, why: str) -> None:
        log.warning(f"{why}; its process is killed", extra={"pid": page.pid, "item": page.item})
        self._killed[page.pid] = cause
        with contextlib.suppress(ProcessLookupError):
            os.kill(page.pid, signal.SIGKILL)

    def _beat(self, pages: Sequence[PageView]) -> None:
        """Beat for all that is held; who learns that all of its own is gone cancels what runs."""
        by_batch: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for batch_id, chunk_id, holder in (held for page in pages for held in page.held):
            by_batch[batch_id].append((chunk_id, holder))
        gone: set[tuple[str, str]] = set()
        for batch_id, pairs in by_batch.items():
            gone.update((batch_id, chunk_id) for chunk_id in self._connections.ledger.beat(batch_id, pairs))
        for page in pages:
            if page.held and all((batch_id, chunk_id) in gone for batch_id, chunk_id, _ in page.held):
                self._pages.tell_gone(page)

    def _free(self, page: PageView) -> None:
        """A process of ours died under these chunks: the ledger learns it now, not when the lease lapses."""
        cause = self._killed.get(page.pid, "hand" if self.stopping else "crash")
        for batch_id, chunk_id, holder in page.held:
            if chunk_id == "agg":
                continue  # due again by itself
            log.warning(
                "a worker process died",
                extra={"pid": page.pid, "batch": batch_id, "chunk": chunk_id, "item": page.item},
            )
            free(self._connections, self._headers, batch_id, chunk_id, holder, cause)
        self._killed.pop(page.pid, None)  # only now: while Redis is away all of this is done again
