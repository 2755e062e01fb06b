"""A process that flowq started: when it is gone, so is its group, and nobody else is signalled in its place."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from flowq.local.child_process import ChildProcess
from flowq.local.spawner import Spawner


@pytest.mark.parametrize("how", ["killed", "ended by itself"])
def test_a_group_that_is_gone_is_signalled_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    waits = "import sys; sys.stdin.read()" if how == "killed" else "pass"
    spawner = Spawner()
    child: ChildProcess = spawner.spawn([sys.executable, "-c", waits], log_path=tmp_path / "log", env=dict(os.environ))
    if how == "killed":
        child.kill()
    else:
        assert child.wait(10)
        child.kill()  # finds nobody
    signalled = list[int]()
    monkeypatch.setattr(os, "killpg", lambda pgid, signum: signalled.append(signum))
    child.kill()
    child.signal_group(signal.SIGTERM)
    spawner.close()
    assert signalled == []
