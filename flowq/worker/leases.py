"""Leases: the main process renews those of its living children, and frees at once what a dead child held."""

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
from flowq.engine.ledger import Give
from flowq.engine.running.freed import free
from flowq.worker.boards import Boards, BoardView

log = logging.getLogger("flowq.leases")


def is_dead(pid: int) -> bool:
    """Whether our child *pid* has ended. It is not reaped here, but by the pool."""
    try:
        return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:
        return True


def resident_mib(pid: int) -> float:
    """Resident memory of a process in MiB; 0 if unknown."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError, ValueError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


class Leases:
    """Renews and frees the leases of one worker."""

    def __init__(self, connections: Connections, headers: Headers, boards: Boards) -> None:
        self._connections, self._headers, self._boards = connections, headers, boards
        self._memory_limit_mib = connections.settings.memory_limit_mib
        self.stopping = False
        self._killed: dict[int, Give] = {}
        self._every_s = connections.settings.pulse_s
        self._ticked_at = float("-inf")

    def keep_up(self) -> None:
        """Make a round, if the last one is longer ago than it should be.

        Called before each batch that the caretaker checks: on a busy machine a check may take so long that leases
        expire, and then chunks of this worker's processes count as lost, also those of a dead one, which is a crash.
        """
        if time.monotonic() - self._ticked_at > self._every_s:
            self.tick()

    def tick(self) -> None:
        """Make one round; called every second from the main process."""
        self._ticked_at = time.monotonic()
        living: list[BoardView] = []
        for board in self._boards.used():
            if is_dead(board.pid):
                self._free_dead(board)
            else:
                living.append(board)
                self._watch(board)
        self._beat(living)

    def _free_dead(self, board: BoardView) -> None:
        """Free what the dead owner of a board held, by the board's last state: it may have changed since *board*."""
        last = self._boards.read(board.number)
        if last.pid == board.pid:
            self._free(last)
            self._boards.clear(board.number)

    def _watch(self, board: BoardView) -> None:
        """Kill a process whose item exceeded its time limit, or that exceeded its memory limit."""
        if board.pid in self._killed:
            return
        if board.kill_at and time.monotonic() > board.kill_at and self._boards.read(board.number) == board:
            self._kill(board, "overtime", "an item ran past its timeout")
        elif self._memory_limit_mib is not None and board.held and resident_mib(board.pid) > self._memory_limit_mib:
            self._kill(board, "crash", "a process grew past memory_limit_mib")

    def _kill(self, board: BoardView, cause: Give, why: str) -> None:
        log.warning(f"{why}; its process is killed", extra={"pid": board.pid, "item": board.item})
        self._killed[board.pid] = cause
        with contextlib.suppress(ProcessLookupError):
            os.kill(board.pid, signal.SIGKILL)

    def _beat(self, boards: Sequence[BoardView]) -> None:
        """Renew the leases of all that is held; a process all of whose chunks are gone is told to cancel its items."""
        by_batch: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for batch_id, chunk_id, holder in (held for board in boards for held in board.held):
            by_batch[batch_id].append((chunk_id, holder))
        gone: set[tuple[str, str]] = set()
        for batch_id, pairs in by_batch.items():
            gone.update((batch_id, chunk_id) for chunk_id in self._connections.ledger.beat(batch_id, pairs))
        for board in boards:
            if board.held and all((batch_id, chunk_id) in gone for batch_id, chunk_id, _ in board.held):
                self._boards.tell_gone(board)

    def _free(self, board: BoardView) -> None:
        """Free the chunks of a dead child at once, before their leases expire."""
        cause = self._killed.get(board.pid, "hand" if self.stopping else "crash")
        for batch_id, chunk_id, holder in board.held:
            if chunk_id == "agg":
                continue  # stays due in ``wake``
            log.warning(
                "a worker process died",
                extra={"pid": board.pid, "batch": batch_id, "chunk": chunk_id, "item": board.item},
            )
            free(self._connections, self._headers, batch_id, chunk_id, holder, cause)
        self._killed.pop(board.pid, None)  # last: if Redis is away, the whole call is repeated
