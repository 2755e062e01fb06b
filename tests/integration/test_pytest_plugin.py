"""The pytest plugin as a user has it: a project of its own, whose tests run in a pytest of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.programs import ROOT

DOCUMENT = ROOT / "docs" / "howto" / "testing.md"

NODES = """
import os, flowq

class Where(flowq.ParallelBatchNode):
    def exec(self, item):
        return os.getpid()
"""

TESTS = """
import os, signal
from shop import Where

def test_inline(flowq_inline):
    assert set(Where().map(range(3))) == {os.getpid()}

def test_on_workers(flowq_cluster):
    assert os.getpid() not in Where().map(range(10))
    assert len(flowq_cluster.workers) == 1

def test_that_does_not_ask_stays_in_this_process():
    assert set(Where().map(range(3))) == {os.getpid()}

def test_inline_beside_the_cluster(flowq_cluster, flowq_inline):
    assert set(Where().map(range(3))) == {os.getpid()}

def test_that_kills_the_worker(flowq_cluster):
    flowq_cluster.kill_worker(0)

def test_after_it(flowq_cluster):
    assert os.getpid() not in Where().map(range(10))
"""


def test_its_fixtures_run_batches_here_and_on_workers(tmp_path: Path) -> None:
    (tmp_path / "shop.py").write_text(NODES)
    (tmp_path / "test_shop.py").write_text(TESTS)
    # What docs/howto/testing.md shows, as it stands there.
    shown = re.findall(r"^```python\n(.*?)^```$", DOCUMENT.read_text(), re.MULTILINE | re.DOTALL)
    (tmp_path / "test_shown.py").write_text(shown[-1])
    (tmp_path / "pytest.ini").write_text("[pytest]\npythonpath = .\nflowq_imports =\n  shop\n  test_shown\n")
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pytest", "-p", "flowq.pytest_plugin", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert "9 passed" in done.stdout, done.stdout + done.stderr


def test_the_plugin_is_light_until_a_fixture_is_asked_for() -> None:
    program = "import sys, flowq.pytest_plugin; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert {"celery", "redis", "flowq.local", "flowq.engine"} & set(done.stdout.splitlines()) == set()
