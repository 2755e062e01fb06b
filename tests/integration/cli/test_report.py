"""``flowq report``: a page of its own, small, well-formed, with everything that was typed by users escaped."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path

import flowq
from tests import nodes
from tests.integration.cli.conftest import Flowq
from tests.submitting import submit

VOID = {"meta", "wbr", "br"}


class Page(HTMLParser):
    """The tags that are open at the end, and all there were."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)


def test_the_page_has_outcomes_charts_and_errors(flowq_cli: Flowq, cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    batch = submit(nodes.Picky(on_error="collect", max_retries=2), range(500), label="<b>picky</b>")
    assert batch.wait(20)
    out = tmp_path / "report.html"
    assert f"Wrote {out}" in flowq_cli("report", batch.id, "-o", str(out)).output
    text = out.read_text()
    page = Page(text)
    assert page.open == []
    assert page.tags.count("svg") == 3
    assert {"script", "link", "img"}.isdisjoint(page.tags)
    assert "<b>" not in text
    assert "prefers-color-scheme: dark" in text
    assert "tests.nodes.Unknown: nobody knows me" in text
    assert "The first 50 of" in text


def test_its_size_does_not_grow_with_the_batch(flowq_cli: Flowq, cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    batch = submit(nodes.Square(), range(200_000))
    assert batch.wait(30)
    out = tmp_path / "report.html"
    flowq_cli("report", batch.id, "-o", str(out))
    assert out.stat().st_size < 100_000
    assert "200,000" in out.read_text()


def test_its_figures_are_to_be_had_as_json(flowq_cli: Flowq, cluster: flowq.LocalCluster) -> None:
    batch = submit(nodes.AsyncSquare(), range(300))
    assert batch.wait(20)
    figures = json.loads(flowq_cli("report", batch.id, "--json").output)
    assert figures["ok"] == 300
    assert round(sum(figures["done"]["ok"])) == 300
    assert list(figures["workers"]) == [f"local-1@{cluster.executor.fleet.workers('flowq')[0].host}"]


def test_a_batch_without_items_has_a_page(flowq_cli: Flowq, cluster: flowq.LocalCluster, tmp_path: Path) -> None:
    batch = submit(nodes.Square(), [])
    assert batch.wait(20)
    flowq_cli("report", batch.id, "-o", str(tmp_path / "report.html"))
    assert Page((tmp_path / "report.html").read_text()).open == []
    assert flowq_cli("report", batch.id, "-o", str(tmp_path / "no" / "folder.html")).exit_code == 2
