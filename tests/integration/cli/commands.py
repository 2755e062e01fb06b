"""The command line as a process of its own, where Ctrl-C and exit statuses matter."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import until

ROOT = Path(__file__).parents[3]


class Command:
    """``flowq WORDS`` in *folder*, with what it wrote on both streams together in ``text``."""

    def __init__(self, folder: Path, *words: str, **env: str) -> None:
        self._log = folder / f"{words[0]}-{os.urandom(3).hex()}.log"
        without = {name: value for name, value in os.environ.items() if not name.startswith("FLOWQ_")}
        with self._log.open("w") as log:
            self._popen = subprocess.Popen(
                [sys.executable, "-P", "-m", "flowq", *words],
                cwd=folder,
                env={**without, "PYTHONPATH": str(ROOT), "COLUMNS": "120", **env},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def text(self) -> str:
        return self._log.read_text()

    def press_ctrl_c(self) -> None:
        self._popen.send_signal(signal.SIGINT)

    def says(self, words: str, timeout_s: float = 20.0) -> None:
        """Return once it has written *words*."""
        until(lambda: words in self.text, timeout_s, f"{words!r} in {self.text!r}")

    def status(self, timeout_s: float = 40.0) -> int:
        """The exit status, once it has ended."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            raise AssertionError(f"it did not end; it wrote:\n{self.text}") from None
