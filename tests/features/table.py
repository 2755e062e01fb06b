"""The table of features in the documents, made of rows.toml and the names of the tests. ``python -m`` writes it."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
PAGE = ROOT / "docs" / "reference" / "features.md"

HEAD = """# Features

What people who know PocketFlow, Flyt, Nadoo Flow Core, Grapheteria or act_operator's nodes look for, flowq's one way to
do it, and the tests that show it, in one process and on workers wherever that makes sense. Each row's tests are called
after its number. `make features` writes this page.
"""
COLUMNS = "| # | feature | known as | in flowq | shown by |\n|---|---|---|---|---|"

_TEST = re.compile(r"^(?:async )?def test_row_(\d{3})_", re.MULTILINE)


def rows() -> dict[int, dict[str, str]]:
    """The rows by number."""
    return {int(number): row for number, row in _read()["rows"].items()}


def tests() -> dict[int, list[Path]]:
    """The files with tests of a row, by its number."""
    found: defaultdict[int, list[Path]] = defaultdict(list)
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for number in sorted({int(number) for number in _TEST.findall(path.read_text(encoding="utf-8"))}):
            found[number].append(path)
    return dict(found)


def page() -> str:
    """The page as it should be."""
    sections = {int(number): title for number, title in _read()["sections"].items()}
    shown = tests()
    lines = [HEAD]
    for number, row in sorted(rows().items()):
        if number in sections:
            lines += ["" if number == 1 else "\n", f"## {sections[number]}\n", COLUMNS]
        links = ", ".join(f"[{_title(path)}](../../{path.relative_to(ROOT)})" for path in shown.get(number, []))
        lines.append(f"| {number} | {row['feature']} | {row['elsewhere']} | {row['flowq']} | {links} |")
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)) + "\n"


def _title(path: Path) -> str:
    return path.stem.removeprefix("test_").replace("_", " ")


def _read() -> dict[str, Any]:
    return tomllib.loads((FOLDER / "rows.toml").read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
