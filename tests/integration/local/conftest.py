"""What the tests of local/ share: programs of their own to kill, and an eye on which processes still run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def runs(pid: int) -> bool:
    """Whether process *pid* runs. A zombie does not: whoever inherited it may take its time to notice."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


class Program:
    """A program of a test's own in a process of its own, which prints what the test wants to know."""

    def __init__(self, path: Path, source: str) -> None:
        path.write_text(textwrap.dedent(source))
        self._popen = subprocess.Popen(
            [sys.executable, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
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


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Start a program from its source."""
    started: list[Program] = []

    def start(source: str) -> Program:
        started.append(Program(tmp_path / f"program_{len(started)}.py", source))
        return started[-1]

    yield start
    for one in started:
        one.abandon()


@pytest.fixture
def all_end() -> Callable[[list[int]], bool]:
    """Whether all processes of a list end, within 5 s."""

    def wait(pids: list[int]) -> bool:
        deadline = time.monotonic() + 5
        while any(map(runs, pids)):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    return wait


@pytest.fixture
def processes_of() -> Callable[[int], list[int]]:
    """Those that process *pid* started, and those that they did."""

    def children(pid: int) -> list[int]:
        parents = {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
        found = [pid]
        for one in found:
            found += [child for child, parent in parents.items() if parent == one]
        return found[1:]

    return children
