"""Programs of a test's own, in processes of their own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


class Program:
    """A program which prints what the test wants to know.

    Args:
        path: where its source is written.
        source: may be indented.
        arguments: its ``sys.argv[1:]``.
        env: further environment variables.
    """

    def __init__(self, path: Path, source: str, *arguments: str, env: dict[str, str] | None = None) -> None:
        path.write_text(textwrap.dedent(source))
        self._popen = subprocess.Popen(
            [sys.executable, str(path), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.pid = self._popen.pid

    def line(self) -> str:
        """Its next line; an assertion with what it said on stderr if it ended instead."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        assert line, self.end()
        return line.rstrip("\n")

    def signal(self, signum: int) -> None:
        self._popen.send_signal(signum)

    def end(self) -> tuple[int, str]:
        """Wait for its end: exit status and stderr."""
        _, stderr = self._popen.communicate(timeout=30)
        return self._popen.returncode, stderr

    def abandon(self) -> None:
        if self._popen.poll() is None:
            self._popen.send_signal(signal.SIGKILL)
        self._popen.communicate()


def printed_by_processes(source: str) -> set[bytes]:
    """What *source* prints in two processes that hash strings differently."""
    return {
        subprocess.run(
            [sys.executable, "-c", source],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
