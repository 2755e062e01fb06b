"""The probe of a container: healthy while the worker's heart beats, and as light as a probe has to be."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.programs import ROOT
from workers.health import main


def test_a_worker_is_healthy_while_its_file_is_fresh(tmp_path: Path) -> None:
    beat = tmp_path / "alive"
    assert main([str(beat)]) == 1
    beat.touch()
    assert main([str(beat)]) == 0
    os.utime(beat, (time.time() - 90, time.time() - 90))
    assert main([str(beat)]) == 1
    assert main([str(beat), "--max-age", "120"]) == 0


def test_it_runs_on_the_standard_library_alone_and_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "workers/health.py", str(tmp_path / "none")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=10, check=False)
    assert done.returncode == 1
    assert "does not consume yet" in done.stderr
