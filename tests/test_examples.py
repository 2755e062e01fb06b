"""The programs in examples/: each runs, in this process and on workers, and finds the same."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
TEXT = "The quick brown fox jumps over the lazy dog. The dog sleeps.\n"


def run(example: str, *arguments: str, folder: Path) -> str:
    """What an example prints, run in *folder*."""
    command = [sys.executable, str(EXAMPLES / example), *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("example", "shows"),
    [
        ("squares_local.py", "10,000 squares, from 0 to 99,980,001, in all 333,283,335,000\n"),
        (
            "fetch_async.py",
            "299 of 300 pages, 234,840 bytes, 30 of them at the second try\nitem 77 failed: NotFound: /pages/77\n",
        ),
        ("wordcount_batchflow.py", " different ones\n"),
        ("map_reduce.py", " files with str\n"),
        ("supervisor.py", "round 6: growth 0.3098, limit  878.3, off by 6.163\n"),
        ("scrape.py", "120 pages, 2 missing; the longest is Page 35 with 28 words\n"),
        ("approval.py", "sent: Dear Grace, this is our last reminder of the 3000 € that you owe us.\n"),
        ("llm_calls.py", "90 tickets, 26 at a second try, 15 by the small model\n"),
    ],
    ids=lambda given: given if given.endswith(".py") else "",
)
def test_an_example_finds_the_same_in_one_process_and_on_workers(example: str, shows: str, tmp_path: Path) -> None:
    with ThreadPoolExecutor() as both:  # each is a program of its own, and mostly starts and ends
        here = both.submit(run, example, folder=tmp_path)
        on_workers = both.submit(run, example, "--local", folder=tmp_path)
    assert shows in here.result()
    assert on_workers.result() == here.result()


def test_no_example_is_left_out() -> None:
    source = Path(__file__).read_text()
    assert [one.name for one in EXAMPLES.glob("*.py") if f'"{one.name}",' not in source] == []


def test_words_are_counted_over_files(tmp_path: Path) -> None:
    for name, times in (("once.txt", 1), ("twice.txt", 2)):
        (tmp_path / name).write_text(TEXT * times)
    printed = run("wordcount_batchflow.py", "once.txt", "twice.txt", folder=tmp_path)
    assert printed.startswith(
        "2 files, 36 words, 9 different ones\nThe longest word has 6 letters.\n      9 the\n      6 dog\n"
    )
