"""What somebody gets who has nothing but the wheel: it is built, installed into an empty environment, and run."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

import flowq
from tests.programs import ROOT

pytestmark = [pytest.mark.package, pytest.mark.timeout(600)]

# Neither this checkout nor what its environment has.
BARE = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "FLOWQ_", "VIRTUAL_ENV"))}


def run(*command: str | Path, cwd: Path, **options: str) -> str:
    done = subprocess.run(
        command, cwd=cwd, env={**BARE, **options}, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The wheel, built from the sdist, and the sdist."""
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture(scope="module")
def bin_folder(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``bin`` of an environment with the wheel and its extra local, and nothing else."""
    folder = tmp_path_factory.mktemp("empty")
    venv.create(folder / "venv", with_pip=True)
    run(folder / "venv/bin/pip", "install", "--quiet", f"{built[0]}[local]", cwd=folder)
    return folder / "venv" / "bin"


def test_the_wheel_holds_the_package_and_nothing_else(built: tuple[Path, Path]) -> None:
    names = zipfile.ZipFile(built[0]).namelist()
    assert {name.split("/")[0] for name in names} == {"flowq", f"flowq_batch-{flowq.__version__}.dist-info"}
    inside = {path.relative_to(ROOT).as_posix() for path in (ROOT / "flowq").rglob("*") if path.is_file()}
    assert {name for name in inside if "__pycache__" not in name} <= set(names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert any(name.endswith(".lua") for name in names)
    assert "flowq/py.typed" in names


def test_the_sdist_holds_what_the_tests_and_the_documents_need(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as sdist:
        names = {name.split("/")[1] for name in sdist.getnames() if "/" in name}
    assert {"flowq", "workers", "deploy", "docs", "examples", "tests", "LICENSE", "README.md", "CHANGELOG.md"} <= names
    assert not {".git", ".venv", "out"} & names


def test_the_demo_runs_where_nothing_else_is_installed(bin_folder: Path, tmp_path: Path) -> None:
    said = run(bin_folder / "flowq", "demo", "--limit", "60", "--out", "out", cwd=tmp_path)
    assert "items 60" in said
    assert "failed 0" in said
    report = (tmp_path / "out" / "report.html").read_text()
    assert "<style>" in report
    assert len((tmp_path / "out" / "outcomes.jsonl").read_text().splitlines()) == 60


def test_it_says_what_is_missing_for_what_was_not_asked_for(bin_folder: Path, tmp_path: Path) -> None:
    assert flowq.__version__ in run(bin_folder / "flowq", "--version", cwd=tmp_path)
    for command, hint in (("flower", "pip install flower"), ("metrics", "pip install prometheus_client")):
        done = subprocess.run(
            [bin_folder / "flowq", command], cwd=tmp_path, env=BARE, capture_output=True, text=True, check=False
        )
        assert done.returncode != 0
        assert hint in done.stderr
        assert "Traceback" not in done.stderr


def test_its_types_are_there_for_others(bin_folder: Path, tmp_path: Path) -> None:
    run(bin_folder / "pip", "install", "--quiet", "mypy", cwd=tmp_path)
    program = "import flowq\n\n\n@flowq.parallel_batch_node\ndef score(item: str) -> int:\n    return len(item)\n"
    (tmp_path / "scoring.py").write_text(program + "\n\nreveal_type(score.map(['a'])[0])\n")
    assert 'Revealed type is "int"' in run(bin_folder / "mypy", "--strict", "scoring.py", cwd=tmp_path)
