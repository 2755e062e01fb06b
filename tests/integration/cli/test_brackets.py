"""What commands and bars print is text, also where a name or an error of the user's has square brackets in it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

from flowq.batch.executor import Progress
from flowq.cli import main
from flowq.cli.durable import FollowedRun
from flowq.client.bars import Bars
from flowq.client.run import DurableRun
from flowq.core.walks.runs import Checkpoint

FLOW = """
import flowq


class Tags(flowq.ParallelBatchNode):
    def prep(self, shared):
        return ["[b]", "[/b]"]

    def exec(self, item):
        raise ValueError(f"{item} stands alone")


class Closes(flowq.Node):
    def post(self, shared, prep_res, exec_res):
        shared["[/tag]"] = 1
        return "[/action]"


fails, ends = flowq.Flow(Tags()), flowq.Flow(Closes())
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bracketed.py").write_text(FLOW)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_an_error_is_shown_as_it_is(here: Path) -> None:
    shown = CliRunner().invoke(main, ["run", "bracketed:fails"], env={"COLUMNS": "200"})
    assert shown.exit_code == 1
    assert isinstance(shown.exception, SystemExit)
    assert "first item 0: ValueError: [b] stands alone" in shown.output


def test_a_key_of_the_store_and_an_action_are_shown_as_they_are(here: Path) -> None:
    shown = CliRunner().invoke(main, ["run", "bracketed:ends"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.exception
    assert "[/tag]" in shown.output
    assert "with action '[/action]'" in shown.output


def test_a_bar_has_the_whole_name_of_its_batch() -> None:
    class Ended:
        label = "MapNode[double]"

        def progress(self) -> Progress:
            return Progress(10, 10, 10, 0, 0, 0, 0, 1.0, 0.0, "succeeded")

    console = Console(file=io.StringIO(), force_terminal=True, width=120, color_system=None)
    with Bars(console).of(Ended()):
        pass
    assert isinstance(console.file, io.StringIO)
    assert "MapNode[double]" in console.file.getvalue()


def test_a_step_of_a_run_has_the_whole_name_of_its_node() -> None:
    console = Console(file=io.StringIO(), width=120)
    run = FollowedRun(object.__new__(DurableRun), console)
    run.tell([Checkpoint(1, "MapNode[double]", "default", 0.0, 1.0, 0)], [])
    assert isinstance(console.file, io.StringIO)
    assert "MapNode[double]" in console.file.getvalue()
