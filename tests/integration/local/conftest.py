"""What the tests of local/ share: programs of their own to kill, and an eye on which processes still run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.programs import Program


def runs(pid: int) -> bool:
    """Whether process *pid* runs. A zombie does not: whoever inherited it may take its time to notice."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


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
