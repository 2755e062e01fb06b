"""What a type checker says about users' programs: mypy, as strict as it can be, reads those in tests/typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from tests.programs import ROOT

TYPED = ROOT / "tests" / "typed"


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What mypy finds, by file. It reads flowq as it does where flowq is installed: without telling of it."""
    folder = tmp_path_factory.mktemp("mypy")
    command = (sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", folder)
    done = subprocess.run(
        [*command, "--follow-imports", "silent", TYPED / "right.py", TYPED / "wrong.py"],
        cwd=folder, env={**os.environ, "MYPYPATH": str(ROOT)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode in (0, 1), done.stdout + done.stderr
    errors = [line for line in done.stdout.splitlines() if ": error: " in line]
    return {name: [line for line in errors if f"{name}:" in line] for name in ("right.py", "wrong.py")}


def test_a_type_checker_accepts_what_is_right_and_knows_what_comes_out(refused: dict[str, list[str]]) -> None:
    assert refused["right.py"] == []


def test_a_type_checker_refuses_each_mistake(refused: dict[str, list[str]]) -> None:
    lines = (TYPED / "wrong.py").read_text().splitlines()
    mistakes = [number for number, line in enumerate(lines, 1) if "# wrong: " in line]
    found = {int(match[1]) for line in refused["wrong.py"] if (match := re.search(r"wrong\.py:(\d+): ", line))}
    assert sorted(found) == mistakes, refused["wrong.py"]
