"""Flows that are handed to the workers: submitted, watched, answered, mended from the command line."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from rich.console import Console

import flowq
from flowq.cli import main
from flowq.cli.durable import FollowedRun
from flowq.local import LocalCluster
from tests import nested
from tests.integration.cli.commands import Command
from tests.integration.cli.conftest import Flowq

FLOWS = """
import flowq
from tests import nodes

squares, asks = nodes.SquaresOf(), nodes.Asks()
squares >> asks
asking = flowq.Flow(start=squares, name="asking")

some_fail = nodes.KeyedFromStore(on_error="collect", label="some-fail")
some_fail >> nodes.SquaresOf(label="of-a-run")
failing = flowq.Flow(start=some_fail, name="failing")


def mended_later():
    squares, breaks = nodes.SquaresOf(), nodes.BreaksUnless("{folder}/mended")
    squares >> breaks
    return flowq.Flow(start=squares)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "flows.py").write_text(FLOWS.replace("{folder}", str(tmp_path)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "flows", raising=False)  # another test's, with another folder in it
    return tmp_path


def test_a_submitted_run_is_watched_and_answered(cluster: LocalCluster, flowq_cli: Flowq, folder: Path) -> None:
    run_id = json.loads(flowq_cli("submit", "flows:asking", "--set", "n=4", "--json").output)["id"]
    watching = Command(folder, "watch", run_id, FLOWQ_BROKER_URL=cluster.broker_url)
    watching.says("waits for 'approval'")
    shown = flowq_cli("status", run_id).output
    assert f"flowq approve {run_id} approval" in shown
    assert "SquaresOf" in shown
    [batch] = flowq.get_run(run_id).batches()  # type: ignore[attr-defined]
    assert batch in shown
    listed = json.loads(flowq_cli("ls", "--json", "-n", "1").output)[0]
    assert (listed["id"], listed["kind"], listed["state"]) == (run_id, "run", "parked")
    assert "was sent 'approval'" in flowq_cli("approve", run_id, "approval", '{"ok": 1}').output
    assert watching.status() == 0
    assert f"{run_id} succeeded" in watching.text
    shared = flowq.get_run(run_id).result(20).shared
    assert (shared["squares"], shared["answer"]) == ([0, 1, 4, 9], {"ok": 1})
    assert flowq_cli("approve", run_id).exit_code == 2


def test_the_event_that_is_waited_for_needs_no_name(flowq_cli: Flowq, folder: Path) -> None:
    run_id = flowq_cli("submit", "flows:asking", "--key", "once").output.split()[0]
    assert flowq_cli("submit", "flows:asking", "--key", "once").output.split()[0] == run_id
    assert flowq_cli("approve", run_id, "approval").exit_code == 0  # it may not have come so far yet
    assert flowq_cli("watch", run_id).exit_code == 0
    assert flowq.get_run(run_id).result(20).shared["answer"] is True


def test_a_failed_run_shows_why_and_goes_on_where_it_failed(flowq_cli: Flowq, folder: Path) -> None:
    run_id = json.loads(flowq_cli("submit", "flows:mended_later", "--json").output)["id"]
    shown = flowq_cli("watch", run_id)
    assert shown.exit_code == 1
    assert "ValueError: not mended yet" in shown.output
    assert f"flowq retry {run_id}" in shown.output
    (folder / "mended").touch()
    again = flowq_cli("retry", run_id)
    assert again.exit_code == 0, again.output
    history = json.loads(flowq_cli("status", run_id, "--json").output)["steps"]
    assert [step["node"] for step in history][:2] == ["SquaresOf", "BreaksUnless"]


def test_who_submits_a_key_whose_run_has_ended_is_told_so_and_how_to_go_on(flowq_cli: Flowq, folder: Path) -> None:
    run_id = flowq_cli("submit", "flows:mended_later", "--key", "tonight").output.split()[0]
    assert flowq_cli("watch", run_id).exit_code == 1
    again = flowq_cli("submit", "flows:mended_later", "--key", "tonight").output
    assert again.split()[0] == run_id
    assert f"The run of this key has failed: flowq retry {run_id} goes on with it" in again
    (folder / "mended").touch()
    assert flowq_cli("retry", run_id).exit_code == 0
    done = flowq_cli("submit", "flows:mended_later", "--key", "tonight").output
    assert done == f"{run_id}\nThe run of this key has succeeded. For another run, use another key.\n"
    told = json.loads(flowq_cli("submit", "flows:mended_later", "--key", "tonight", "--json").output)
    assert told == {"id": run_id, "state": "succeeded"}


def test_a_run_is_paused_resumed_and_cancelled(flowq_cli: Flowq, folder: Path) -> None:
    run_id = json.loads(flowq_cli("submit", "flows:asking", "--json").output)["id"]
    assert f"{run_id} is paused" in flowq_cli("pause", run_id).output
    assert flowq_cli("resume", run_id).exit_code == 0
    assert json.loads(flowq_cli("cancel", run_id, "--json").output)["state"] == "cancelled"
    assert "is a run, and no batch" in flowq_cli("failures", run_id).output


def test_a_batch_of_a_run_is_found_by_the_beginning_of_its_id(flowq_cli: Flowq, folder: Path) -> None:
    run_id = json.loads(flowq_cli("submit", "flows:failing", "--set", "items=[6, 7]", "--json").output)["id"]
    run = flowq.get_run(run_id)
    assert run.wait(20)
    first, second = sorted(run.batches(), reverse=True)  # type: ignore[attr-defined]
    assert first.startswith("some-fail-")
    for words in ("some-fail", first[:-2]):
        assert json.loads(flowq_cli("status", words, "--json").output)["id"] == first
    assert second in flowq_cli("status", "of-a-run").output


def test_failures_of_a_run_are_those_of_its_batch_that_has_any(flowq_cli: Flowq, folder: Path) -> None:
    run_id = json.loads(flowq_cli("submit", "flows:failing", "--set", "items=[6, 7]", "--json").output)["id"]
    assert flowq.get_run(run_id).wait(20)
    shown = flowq_cli("failures", run_id).output
    assert "1 of 2 items failed in some-fail-" in shown


def test_submit_needs_a_fleet(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWQ_BROKER_URL", raising=False)
    result = CliRunner().invoke(main, ["submit", "flows:asking"])
    assert result.exit_code == 2
    assert "set FLOWQ_BROKER_URL" in result.output


def test_every_step_of_a_long_run_is_told(cluster: LocalCluster, tmp_path: Path) -> None:
    half = 600  # of them twice as many are more than the ledger keeps
    some, waits, more = nested.Again(half), nested.Approval(str(tmp_path / "notes")), nested.Again(2 * half)
    some - "enough" >> waits
    waits - "yes" >> more
    more - "enough" >> nested.Again(1)
    run = flowq.Flow(start=some).submit({})
    out = io.StringIO()
    followed = FollowedRun(run, Console(file=out))  # type: ignore[arg-type]
    while not followed.wait():
        if run.awaits():
            followed.wait(0)  # what it did before that
            run.send("approval", "yes")
    assert run.status == "succeeded"
    told = [int(line.split()[0]) for line in out.getvalue().splitlines() if line.split()[0].isdigit()]
    assert told == list(range(1, len(told) + 1))
    assert len(told) > 2 * half
