"""What a worker is told about the program that starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = "from flowq.local import program; print(program.main_path(), *program.import_path(), sep='\\n')"


def told(*arguments: str, folder: Path, pythonpath: str) -> list[str]:
    """The main file, then the folders to import from, as a program that is run with *arguments* finds them."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": pythonpath},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


@pytest.fixture
def root(request: pytest.FixtureRequest) -> str:
    return str(request.config.rootpath)


def test_a_script_is_named_and_its_folder_comes_first(tmp_path: Path, root: str) -> None:
    (tmp_path / "script.py").write_text(SOURCE)
    main, first, *others = told("script.py", folder=tmp_path, pythonpath=root)
    assert main == str(tmp_path / "script.py")
    assert first == str(tmp_path)
    assert root in others


def test_a_module_that_is_run_is_named_by_its_file(tmp_path: Path, root: str) -> None:
    (tmp_path / "script.py").write_text(SOURCE)
    assert told("-m", "script", folder=tmp_path, pythonpath=root)[:2] == [str(tmp_path / "script.py"), str(tmp_path)]


def test_a_command_line_has_no_file(tmp_path: Path, root: str) -> None:
    assert told("-c", SOURCE, folder=tmp_path, pythonpath=root)[:2] == ["None", str(tmp_path)]


def test_a_relative_folder_is_named_in_full(tmp_path: Path, root: str) -> None:
    assert str(tmp_path / "lib") in told("-c", SOURCE, folder=tmp_path, pythonpath=f"lib:{root}")


def test_pythons_own_folders_are_left_to_the_workers_python(tmp_path: Path, root: str) -> None:
    assert not [entry for entry in told("-c", SOURCE, folder=tmp_path, pythonpath=root) if "site-packages" in entry]
