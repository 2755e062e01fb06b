"""Killer: half-way through the demo, sends SIGKILL to the process group of a worker that holds a chunk."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

from flowq.client import BatchHandle
from flowq.local import LocalCluster

POLL_S = 0.02


class Killer:
    """Watches a batch and kills one worker.

    The worker is stopped first, and killed only if the ledger says that it still holds a chunk; otherwise it is
    continued, and the killer tries again later.
    """

    def __init__(
        self, cluster: LocalCluster, find: Callable[[], BatchHandle[object] | None], say: Callable[[str], None]
    ) -> None:
        self._cluster, self._find, self._say = cluster, find, say
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="flowq-demo-killer", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            handle = self._find()
            if handle is None:
                continue
            now = handle.progress()
            if now.total is not None and now.done >= now.total / 2 and self._strike(handle):
                return

    def _strike(self, handle: BatchHandle[object]) -> bool:
        for index, worker in enumerate(self._cluster.workers):
            if not self._holds(handle, worker.name):
                continue
            os.killpg(worker.pid, signal.SIGSTOP)
            time.sleep(POLL_S)  # so that what it has sent reaches the ledger
            held = self._holds(handle, worker.name)
            if not held:
                os.killpg(worker.pid, signal.SIGCONT)
                continue
            self._cluster.kill_worker(index)
            done = handle.progress().done
            self._say(
                f"\n[bold red]SIGKILL[/bold red] to the process group of worker {worker.name}, "
                f"which held chunk {held} ({done:,} items done)"
            )
            return True
        return False

    def _holds(self, handle: BatchHandle[object], worker: str) -> str:
        return next((chunk for chunk, holder in handle.held().items() if holder.startswith(f"{worker}@")), "")
