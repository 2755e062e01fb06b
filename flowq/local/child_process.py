"""A process started by this program, with its process group and its log. Started by spawner.py."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from time import monotonic

LOG_TAIL_BYTES = 4096


class ChildProcess:
    """A running child that leads its own session, so that it and all its children form one process group."""

    def __init__(self, popen: subprocess.Popen[bytes], log_path: Path) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.log_path = log_path
        self._is_group_gone = False

    @property
    def exit_status(self) -> int | None:
        """None while it runs; then as in ``subprocess``: negative if a signal ended it."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        return self.exit_status is None

    def signal_group(self, signum: int) -> None:
        """Send *signum* to the process and all its children; does nothing once they are gone."""
        if self._is_group_gone:
            return  # its number may belong to another group by now
        try:
            os.killpg(self.pid, signum)
        except ProcessLookupError:
            self._is_group_gone = not self.running

    def kill(self) -> None:
        """SIGKILL the process and all its children, and wait until the process has ended."""
        self.signal_group(signal.SIGKILL)
        self._popen.wait()
        self._is_group_gone = True

    def wait(self, timeout_s: float) -> bool:
        """Wait at most *timeout_s* seconds for its end; False if it still runs."""
        try:
            self._popen.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def log_tail(self) -> str:
        """The end of its log."""
        with contextlib.suppress(OSError):
            text = self.log_path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
            return text or "(it wrote nothing)"
        return "(its log is gone)"


def end_all(children: Sequence[ChildProcess], grace_s: float) -> None:
    """Send SIGTERM to all, wait up to *grace_s* seconds in total, then SIGKILL what is left of their groups."""
    running = [child for child in children if child.running]
    for child in running:
        # Only the leader: it decides what to tell its own children.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
    deadline = monotonic() + grace_s
    for child in running:
        child.wait(deadline - monotonic())
    for child in children:
        child.kill()
