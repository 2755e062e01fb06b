"""One process that flowq started beside the program, with its process group and its log. Who starts it: spawner.py."""

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
    """A running child that leads a session of its own, so that it and all its children form one process group."""

    def __init__(self, popen: subprocess.Popen[bytes], log_path: Path) -> None:
        self._popen = popen
        self.pid = popen.pid
        self.log_path = log_path
        self._is_group_gone = False

    @property
    def exit_status(self) -> int | None:
        """None while it runs; as ``subprocess`` has it: negative for the signal that ended it."""
        return self._popen.poll()

    @property
    def running(self) -> bool:
        return self.exit_status is None

    def signal_group(self, signum: int) -> None:
        """Send *signum* to the process and all its children; nothing happens once they are gone."""
        if self._is_group_gone:
            return  # its number may be another's by now
        try:
            os.killpg(self.pid, signum)
        except ProcessLookupError:
            self._is_group_gone = not self.running

    def kill(self) -> None:
        """SIGKILL the process and all its children, and wait until the process is gone."""
        self.signal_group(signal.SIGKILL)
        self._popen.wait()
        self._is_group_gone = True

    def wait(self, timeout_s: float) -> bool:
        """Wait at most *timeout_s* seconds for its end. False: it still runs."""
        try:
            self._popen.wait(max(0.0, timeout_s))
        except subprocess.TimeoutExpired:
            return False
        return True

    def log_tail(self) -> str:
        """The last lines that it wrote."""
        with contextlib.suppress(OSError):
            text = self.log_path.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace").strip()
            return text or "(it wrote nothing)"
        return "(its log is gone)"


def end_all(children: Sequence[ChildProcess], grace_s: float) -> None:
    """Ask all with SIGTERM at once, give them *grace_s* seconds together, then SIGKILL what is left of their groups."""
    running = [child for child in children if child.running]
    for child in running:
        # The leader alone: it decides what its own children are told.
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGTERM)
    deadline = monotonic() + grace_s
    for child in running:
        child.wait(deadline - monotonic())
    for child in children:
        child.kill()
