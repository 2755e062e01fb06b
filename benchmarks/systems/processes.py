"""The worker processes of one system: each leads a session of its own, and all of that dies with this program."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.systems.death_watch import DeathWatch
from flowq.local.child_process import ChildProcess, end_all
from flowq.local.private_folder import PrivateFolder
from flowq.local.spawner import Spawner

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
GRACE_S = 5.0


class Processes:
    """Processes that one system started, and their log."""

    def __init__(self) -> None:
        self._folder = PrivateFolder()
        self._spawner = Spawner()
        self._started: list[ChildProcess] = []
        self._watches: list[DeathWatch] = []

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> ChildProcess:
        """Start an absolute path with its arguments, able to import `benchmarks`; *env* goes on top of this one's."""
        whole = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        child = self._spawner.spawn(command, log_path=self._folder.path / f"{len(self._started)}.log", env=whole)
        self._started.append(child)
        # The kernel ends the leader of a group with this program, and not the children that it forked.
        self._watches.append(DeathWatch(-child.pid))
        return child

    def start_module(self, *command: str, env: Mapping[str, str] | None = None) -> ChildProcess:
        """The same for ``python -m …``."""
        return self.start(sys.executable, "-m", *command, env=env)

    def await_ready(self, ready: Callable[[], object], timeout_s: float = READY_S) -> None:
        """Call *ready* until it is true and raises nothing.

        Raises:
            RuntimeError: a process ended, or the time is over; shows the ends of the logs.
        """
        deadline, last = time.monotonic() + timeout_s, "it said no"
        while all(child.running for child in self._started) and time.monotonic() < deadline:
            try:
                if ready():
                    return
            except Exception as exc:
                last = repr(exc)
            time.sleep(0.05)
        raise RuntimeError("\n".join([f"not ready ({last}):", *(child.log_tail() for child in self._started)]))

    def stop(self, grace_s: float = GRACE_S) -> None:
        """End all of them with all their children; those that take longer to end by themselves are killed."""
        end_all(self._started, grace_s)
        for watch in self._watches:
            watch.end()
        self._watches.clear()
        self._spawner.close()
        self._folder.remove()
