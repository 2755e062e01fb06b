"""The table and the chart of what was measured, and where they are put."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from benchmarks import chart, page, peers, wording
from benchmarks.comparison import Cell, Comparison

FLOWQ = Cell("flowq", (0.0500, 0.0400, 0.0600), "as it comes")
MACHINE = {"cpu": "Z80", "cores": "2", "system": "CP/M 2", "python": "3.11", "redis-server": "6.2", "chord": "5.7.0"}
CHORD = Comparison(
    workload="W1-100k",
    what="100,000 no-op items",
    peer="chord",
    way="map",
    name="Celery chord",
    flowq=FLOWQ,
    other=Cell("Celery chord", (104.0, 101.0, 120.0), "json", 10_000),
    ideal=Cell("multiprocessing.Pool", (0.025,), "Pool(2)"),
    machine=MACHINE,
)
RQ = Comparison("W2-200", "20,000 awaits", "rq", "", why="no async | items")
POOL = Comparison("W1-1M", "a million", "pool", "chunks", FLOWQ, Cell("multiprocessing.Pool", (0.020,)))


def test_where_nothing_was_measured_the_page_stays_as_it_is(tmp_path: Path) -> None:
    before = page.PAGE.read_text(encoding="utf-8"), page.CHART.read_text(encoding="utf-8")
    with pytest.raises(SystemExit, match="nothing was measured"):
        peers.main(["--table", "--file", str(tmp_path / "peers.jsonl")])
    assert (page.PAGE.read_text(encoding="utf-8"), page.CHART.read_text(encoding="utf-8")) == before


def test_a_line_has_medians_spreads_ratio_bar_and_whether_it_is_met() -> None:
    assert page.rows([CHORD]) == [
        [
            "**W1-100k** 100,000 no-op items",
            "50.0 ms (40.0 ms to 60.0 ms)",
            "Celery chord, one task an item",
            "104 s (101 s to 120 s), scaled from 10,000",
            "2,080 ×",
            "50%",
            "≥ 1,000 × as fast",
            "yes",
        ]
    ]


def test_what_is_missed_and_what_could_not_run_is_said() -> None:
    assert page.rows([POOL])[0][-2:] == ["≥ 0.5 × as fast", "**NO**"]
    assert page.rows([RQ]) == [["**W2-200** 20,000 awaits", "–", "rq", "no async | items", "–", "", "", ""]]
    assert page.score([CHORD, RQ, POOL]).startswith("Of 2 bars 1 are met, 1 are not")


def test_workloads_come_in_the_order_of_their_numbers() -> None:
    keys = ["W1-1M", "W2-2000", "W1-10k", "W1-100k", "W2-200", "W10"]
    assert sorted(keys, key=page.natural) == ["W1-10k", "W1-100k", "W1-1M", "W2-200", "W2-2000", "W10"]


def test_the_page_is_rewritten_between_its_marks_alone(tmp_path: Path) -> None:
    document, picture = tmp_path / "page.md", tmp_path / "chart.svg"
    marks = [f"<!-- {mark} -->\nold\n<!-- end of {mark} -->" for mark in ("machine", "table", "settings")]
    document.write_text("before\n" + "\n".join(marks) + "\nafter\n")
    for _ in range(2):
        page.write([CHORD, RQ], document, picture)
        text = document.read_text()
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        assert text.count("Celery chord, one task an item") == 1
        assert "| Celery chord | 5.7.0 | json |" in text
        assert "Z80, 2 cores; CP/M 2; Python 3.11; redis-server 6.2." in text
        assert "no async \\| items" in text


def test_a_page_without_its_marks_is_left_alone() -> None:
    with pytest.raises(ValueError, match="table"):
        page.between("nothing here", "table", "new")


def test_the_chart_is_a_picture_with_a_line_for_each_peer() -> None:
    picture = ElementTree.fromstring(chart.draw([CHORD, RQ, POOL]))
    words = [one.text for one in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "Celery chord" in words
    assert "× 2,080" in words
    assert "rq" not in words


def test_the_axis_of_the_chart_ends_where_it_ends() -> None:
    assert chart.position(0, 1e9) == chart.position(0, chart.MOST)
    assert chart.position(0, 0) == chart.position(0, chart.LEAST) == chart.LABEL_WIDTH


def test_figures_have_three_digits_or_are_in_full() -> None:
    said = [wording.amount(value, "s") for value in (0.0000012, 0.000522, 0.0497, 0.5, 1.0, 61.25, 1234.5)]
    assert said == ["1.20 µs", "0.52 ms", "49.7 ms", "500 ms", "1.00 s", "61.2 s", "1,234 s"]
    assert wording.amount(2.4, "MiB") == "2.40 MiB"
    assert wording.amount(123_456, "/s") == "123,456/s"
