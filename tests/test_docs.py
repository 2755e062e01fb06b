"""The documents: every Python block is run, what it is said to print is compared, and what they name exists.

A block with an ``import flowq`` of its own begins a program; those that follow go on with it. The program is a script
with the line numbers of the document. A ``text`` block right after a block is what that prints; ``…`` is anything.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import get_args

import click
import pytest
import yaml

import flowq
from flowq.cli import main
from flowq.engine.crash_points import CrashPoint
from flowq.settings import Settings
from tests.crashing import IN_CELERY

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"python", "text", "sh", "yaml", "toml"}
PARSERS: dict[str, Callable[[str], object]] = {"yaml": yaml.safe_load, "toml": tomllib.loads}

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(([^)#\s]*)(#[^)\s]*)?\)")
MARK = "=== end of the block at line "


@dataclass(frozen=True)
class Block:
    """A fenced block; ``line`` is that of its first line, from 1."""

    language: str
    text: str
    line: int
    follows_closely: bool

    @property
    def ends(self) -> int:
        return self.line + self.text.count("\n")


@dataclass(frozen=True)
class Program:
    """Python blocks that share a namespace, and what each is said to print (None: nothing is said)."""

    document: Path
    blocks: list[tuple[Block, str | None]]

    def __str__(self) -> str:
        return f"{name_of(self.document)}:{self.blocks[0][0].line}"

    def script(self) -> str:
        lines = [""] * self.blocks[-1][0].ends
        for block, _ in self.blocks:
            lines[block.line - 1 : block.ends - 1] = block.text.splitlines()
            lines[block.ends - 1] = f"print({MARK + str(block.line)!r}, flush=True)"
        return "\n".join(lines) + "\n"


def name_of(document: Path) -> str:
    return document.relative_to(ROOT).as_posix()


@cache
def blocks(document: Path) -> list[Block]:
    text = document.read_text(encoding="utf-8")
    found, end = [], 0
    for fence in FENCE.finditer(text):
        line = text.count("\n", 0, fence.start()) + 2
        found.append(Block(fence[1], fence[2], line, not text[end : fence.start()].strip()))
        end = fence.end()
    return found


def programs() -> Iterator[Program]:
    for document in DOCUMENTS:
        found: list[Program] = []
        before: Block | None = None
        for block in blocks(document):
            if block.language == "python":
                if not found or re.search(r"^import flowq$", block.text, re.MULTILINE):
                    found.append(Program(document, []))
                found[-1].blocks.append((block, None))
            elif block.language == "text" and block.follows_closely and before and before.language == "python":
                found[-1].blocks[-1] = (before, block.text)
            before = block
        yield from found


def matches(expected: str, printed: str) -> bool:
    """Whether *printed* is what a document shows, ``…`` standing for anything."""
    pattern = ".*?".join(re.escape(part) for part in expected.strip().split("…"))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None


def code_of(document: Path) -> Iterator[str]:
    """Every shell command and every inline span of code in *document*."""
    for block in blocks(document):
        if block.language == "sh":
            yield from block.text.splitlines()
    yield from SPAN.findall(FENCE.sub("", document.read_text(encoding="utf-8")))


def commands(tool: str) -> list[list[str]]:
    """The words after *tool* of every command in the documents, variables set in front of it left out."""
    found = []
    for document in DOCUMENTS:
        for code in code_of(document):
            words = [word for word in code.partition("#")[0].split() if not re.match(r"^[A-Z_]+=", word)]
            if words[:1] == [tool] and len(words) > 1:
                found.append(words[1:])
    assert found, f"no document has a command with {tool}"
    return found


@pytest.mark.parametrize("program", [pytest.param(one, id=str(one)) for one in programs()])
def test_a_program_of_a_document_runs_and_prints_what_is_shown(program: Program, tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    script.write_text(program.script(), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = done.stdout
    for block, expected in program.blocks:
        own, mark, printed = printed.partition(f"{MARK}{block.line}\n")
        assert mark, f"line {block.line}: the block did not come to its end"
        if expected is not None:
            assert matches(expected, own), f"line {block.line}: it prints\n{own}\nand not\n{expected}"


def test_every_block_says_what_it_is() -> None:
    assert [
        f"{name_of(document)}:{block.line} {block.language!r}"
        for document in DOCUMENTS
        for block in blocks(document)
        if block.language not in LANGUAGES
    ] == []


def test_every_piece_of_configuration_can_be_read() -> None:
    pieces = [block for document in DOCUMENTS for block in blocks(document) if block.language in PARSERS]
    assert pieces
    assert all(PARSERS[block.language](block.text) for block in pieces)


def test_every_make_target_that_is_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert {words[0] for words in commands("make")} - targets == set()


def test_every_command_and_option_of_flowq_that_is_named_exists() -> None:
    for name, *words in commands("flowq"):
        command = main.get_command(click.Context(main), name)
        assert command is not None, f"flowq {name}"
        known = {option for one in command.params if isinstance(one, click.Option) for option in one.opts}
        assert {word for word in words if word.startswith("-")} <= known, f"flowq {name} {' '.join(words)}"


def test_every_program_that_is_named_exists() -> None:
    scripts = [words[0] for words in commands("python") if words[0].startswith("examples/")]
    assert scripts
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_every_public_name_and_setting_that_is_mentioned_exists() -> None:
    for document in DOCUMENTS:
        for code in code_of(document):
            for name in re.findall(r"(?<!/)\bflowq\.([A-Za-z_]+)", code.partition("://")[0]):
                assert hasattr(flowq, name) or (ROOT / "flowq" / name).exists(), f"{name_of(document)}: {code}"
            for name in re.findall(r"\bFLOWQ_([A-Z_]+)", code):
                assert name.lower() in Settings.model_fields, f"{name_of(document)}: {code}"


def test_every_public_name_has_its_place_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "api.md").read_text()
    whole = {"flowq.errors", "flowq.core.store.reducers"}  # these show all they have
    assert all(f"::: {module}\n" in page for module in whole)
    missing = [
        name
        for name in flowq.__all__
        if getattr(getattr(flowq, name), "__module__", "") not in whole and not re.search(rf"\.{name}\b", page)
    ]
    assert missing == []


def test_every_test_that_is_named_exists() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", "".join(one.read_text() for one in DOCUMENTS))
    assert named
    for path, test in named:
        source = ROOT / path
        assert source.is_file(), path
        assert not test or re.search(rf"^\s*(async )?def {test}\(", source.read_text(), re.MULTILINE), f"{path}::{test}"


def test_every_line_of_the_guarantees_names_a_test_that_shows_it() -> None:
    promised = (ROOT / "docs" / "guarantees.md").read_text().partition("## Not promised")[0]
    rows = [line for line in promised.splitlines() if line.startswith("|")]
    bare = [row for row in rows if "`tests/" not in row and "shown by" not in row and not row.startswith("|---")]
    assert not bare
    assert all("`tests/" in one for one in re.findall(r"^- .*(?:\n  .*)*", promised, re.MULTILINE))


def test_every_crash_point_is_among_the_guarantees() -> None:
    text = (ROOT / "docs" / "guarantees.md").read_text()
    assert {*get_args(CrashPoint), *IN_CELERY} == set(re.findall(r"^\| `([a-z ]+)` \|", text, re.MULTILINE))


def test_every_link_within_the_repository_leads_somewhere() -> None:
    for document in DOCUMENTS:
        for path, anchor in LINK.findall(document.read_text(encoding="utf-8")):
            if path.startswith("http"):
                continue
            target = (document.parent / path).resolve() if path else document
            assert target.exists(), f"{name_of(document)}: {path}"
            if anchor:
                assert anchor in anchors(target), f"{name_of(document)}: {path}{anchor}"


@cache
def anchors(document: Path) -> set[str]:
    """The anchors that headings get."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", document.read_text(encoding="utf-8")), re.MULTILINE)
    return {"#" + re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
