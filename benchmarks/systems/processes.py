"""The worker processes of one system: each leads a session of its own, and all of that dies with this program."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flowq.local.child_process import ChildProcess, end_all
from flowq.local.private_folder import PrivateFolder
from flowq.local.spawner import Spawner

ROOT = Path(__file__).resolve().parents[2]
READY_S = 60.0
GRACE_S = 5.0
# The kernel ends the leader of a group when this program is killed, and not the children that it forked. Who does that
# is no child of this program, because those may be stopped.
WHEN_IT_ENDS = '{ (read -r done <&3 || kill -s KILL -- "-$0") & } 3<&0'


class Processes:
    """Processes that one system started, and their log."""

    def __init__(self) -> None:
        self._folder = PrivateFolder()
        self._spawner = Spawner()
        self._started: list[ChildProcess] = []
        self._watched: list[int] = []

    def start(self, *command: str, env: Mapping[str, str] | None = None) -> ChildProcess:
        """Start an absolute path with its arguments, able to import `benchmarks`; *env* goes on top of this one's."""
        whole = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        child = self._spawner.spawn(command, log_path=self._folder.path / f"{len(self._started)}.log", env=whole)
        self._started.append(child)
        self._watch(child)
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
        for ours in self._watched:
            os.write(ours, b"done\n")
            os.close(ours)
        self._watched.clear()
        self._spawner.close()
        self._folder.remove()

    def _watch(self, child: ChildProcess) -> None:
        """Have its group killed when this program ends, however that is: its end of a pipe closes."""
        theirs, ours = os.pipe()
        self._watched.append(ours)
        nowhere = subprocess.DEVNULL
        command = ("/bin/sh", "-c", WHEN_IT_ENDS, str(child.pid))
        subprocess.run(command, stdin=theirs, stdout=nowhere, stderr=nowhere, start_new_session=True, check=True)
        os.close(theirs)
