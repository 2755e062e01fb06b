"""The report: a page that needs nothing else, a table, lines of JSON, a fingerprint that forgets the time."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from flowq.demo.audit import analyse
from flowq.demo.report import fingerprint, worst_table, write_html, write_jsonl
from flowq.demo.source import stdlib_root

FIGURES = {"items": 1791, "ok": 3, "fallback": 1, "failed": 1, "items_per_s": 118.37, "seconds": 15.1, "slots": 2}


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    names = ("ipaddress.py", "shlex.py", "json/__init__.py", "this.py")
    return [analyse(str(stdlib_root() / name)) for name in names]


@pytest.fixture
def problems(tmp_path: Path) -> list[dict[str, Any]]:
    return [
        {
            "path": str(stdlib_root() / "test/tokenizedata/bad_coding.py"),
            "status": "fallback",
            "error": "SyntaxError: unknown encoding: uft-8",
            "attempts": 1,
        },
        {"path": str(tmp_path / "broken.py"), "status": "failed", "error": "SyntaxError: <b>&'('", "attempts": 3},
    ]


class Markup(HTMLParser):
    """Remembers what the page is made of, and that every element is closed."""

    VOID = frozenset({"meta", "br", "wbr"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(tmp_path: Path, records: list[dict[str, Any]], problems: list[dict[str, Any]]) -> str:
    write_html(tmp_path / "report.html", records, problems, FIGURES)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def test_the_page_needs_nothing_from_elsewhere(page: str) -> None:
    markup = Markup(page)
    assert markup.open == []
    assert {"script", "link", "img", "iframe", "object", "embed"}.isdisjoint(markup.tags)
    assert {"src", "srcset", "xlink:href", "style"}.isdisjoint(name for name, _ in markup.attributes)
    assert {value for name, value in markup.attributes if name == "href"} == {"#problems"}
    assert not re.search(r"https?:|//|@import|url\(", page)


def test_the_page_has_its_charts_and_both_colour_schemes(page: str) -> None:
    markup = Markup(page)
    assert markup.tags.count("svg") == 3
    assert markup.tags.count("circle") == 3  # this.py has no function
    assert "prefers-color-scheme: dark" in page


def test_the_page_names_figures_files_and_problems(page: str) -> None:
    text = Markup(page).text
    for words in (
        "1,791",
        "118",
        "items / s",
        "shlex.read_token",
        "test/tokenizedata/bad_coding.py",
        "unknown encoding",
    ):
        assert words in text
    assert "SyntaxError: <b>&'('" in text  # shown, not obeyed
    assert str(stdlib_root()) not in page


def test_a_page_without_a_single_record_is_still_a_page(tmp_path: Path) -> None:
    write_html(tmp_path / "empty.html", [], [], {})
    assert Markup((tmp_path / "empty.html").read_text(encoding="utf-8")).open == []


def test_the_table_shows_the_worst_files_first(records: list[dict[str, Any]]) -> None:
    table = worst_table(records, n=2)
    assert table.row_count == 2
    console = Console(width=120, file=io.StringIO(), record=True)
    console.print(table)
    shown = console.export_text()
    assert shown.index("shlex.py") < shown.index("ipaddress.py")
    assert "shlex.read_token" in shown
    assert "this.py" not in shown


def test_the_table_takes_a_file_without_functions(records: list[dict[str, Any]]) -> None:
    assert worst_table(records[-1:]).row_count == 1


def test_the_outcomes_are_one_line_of_json_each(tmp_path: Path) -> None:
    outcomes = [{"index": 0, "status": "ok", "error": "ä\n\ud800"}, {"index": 1, "path": Path("x.py")}]
    assert write_jsonl(tmp_path / "outcomes.jsonl", iter(outcomes)) == 2
    lines = (tmp_path / "outcomes.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [outcomes[0], {"index": 1, "path": "x.py"}]


def test_no_outcomes_are_an_empty_file(tmp_path: Path) -> None:
    assert write_jsonl(tmp_path / "outcomes.jsonl", []) == 0
    assert (tmp_path / "outcomes.jsonl").read_bytes() == b""


def test_the_fingerprint_forgets_times_and_workers(
    records: list[dict[str, Any]], problems: list[dict[str, Any]]
) -> None:
    timed = [{**problem, "execution_time": 0.1 * n, "worker": f"w{n}"} for n, problem in enumerate(problems)]
    again = [analyse(record["path"]) for record in records]
    assert fingerprint(again, timed) == fingerprint(records, problems)


def test_the_fingerprint_does_not_know_where_a_broken_file_lay(
    records: list[dict[str, Any]], problems: list[dict[str, Any]]
) -> None:
    moved = [problems[0], {**problems[1], "path": "/elsewhere/broken.py"}]
    assert fingerprint(records, moved) == fingerprint(records, problems)


def test_the_fingerprint_changes_with_any_result(records: list[dict[str, Any]], problems: list[dict[str, Any]]) -> None:
    other_figure = [{**records[0], "tokens": records[0]["tokens"] + 1}, *records[1:]]
    seen = {
        fingerprint(records, problems),
        fingerprint(other_figure, problems),
        fingerprint(records[::-1], problems),
        fingerprint(records[1:], problems),
        fingerprint(records, []),
        *(fingerprint(records, [{**problems[0], name: "2"}]) for name in ("path", "status", "error", "attempts")),
    }
    assert len(seen) == 9
