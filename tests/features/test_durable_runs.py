"""Rows 89 and 91: what a submitted flow keeps, and what can be made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowq
from tests.features.graphs import Counted, Lasting, Refused, Tally


def flow(path: Path) -> flowq.Flow:
    first = Counted(str(path), name="first")
    first >> Counted(str(path), name="second") >> Counted(str(path), name="third")
    return flowq.Flow(start=first, name="Three")


def test_row_089_a_run_keeps_its_store_after_every_node(executor: str, tmp_path: Path) -> None:
    run = flow(tmp_path / "visits").submit({"n": 0}, label="three steps")
    result = run.result(timeout=20)
    assert (run.status, result.shared["n"]) == ("succeeded", 3)
    assert [(step.number, step.node) for step in run.history()][:3] == [(1, "first"), (2, "second"), (3, "third")]
    if executor == "workers":
        found = flowq.get_run(run.id)  # as from any other process
        assert (found.status, found.result().shared["n"]) == ("succeeded", 3)
        assert [step.node for step in found.history()] == [step.node for step in run.history()]


def test_row_089_a_shared_store_is_submitted_as_a_dict_is(executor: str, tmp_path: Path) -> None:
    store = flowq.SharedStore({"n": "0"}, schema=Tally)
    run = flow(tmp_path / "visits").submit(store)
    assert run.result(timeout=20).shared.get_int("n") == 3
    assert run.resume(from_step=2).result(timeout=20).shared.snapshot() == {"n": 3, "log": []}
    assert store["n"] == 0, "the run has a store of its own"


def test_row_089_who_submits_under_a_key_that_is_taken_is_given_that_run_with_its_store(
    executor: str, tmp_path: Path
) -> None:
    first = flow(tmp_path / "visits").submit({"n": 0}, key="taken")
    second = flow(tmp_path / "visits").submit({"n": 7, "more": True}, key="taken")
    assert first.id == second.id
    assert [dict(run.result(timeout=20).shared) for run in (first, second)] == [{"n": 3}, {"n": 3}]


def test_row_089_every_step_says_how_long_it_took_and_so_does_the_first(executor: str) -> None:
    first = Lasting(0.2, name="first")
    first >> Lasting(0.1, name="second")
    run = flowq.Flow(start=first).submit({})
    result = run.result(timeout=20)
    for steps in (run.history(), result.steps):
        assert [(step.node, step.seconds >= least) for step, least in zip(steps, (0.2, 0.1), strict=False)] == [
            ("first", True), ("second", True),
        ]  # fmt: skip
    fork = run.resume(from_step=1, fork=True)
    fork.result(timeout=20)
    (again,) = (step for step in fork.history() if step.node == "second")
    assert again.seconds >= 0.1


def test_row_091_a_run_that_failed_goes_on_where_it_was(executor: str, tmp_path: Path) -> None:
    visits, broken = tmp_path / "visits", tmp_path / "broken"
    broken.touch()
    run = flow(visits).submit({"n": 0})
    with pytest.raises(Refused, match="broken"):
        run.result(timeout=20)
    broken.unlink()
    assert run.resume().result(timeout=20).shared["n"] == 3
    assert visits.read_text().split() == ["first", "second", "third"]


def test_row_091_a_run_begins_again_at_a_step_and_a_fork_leaves_it_as_it_is(executor: str, tmp_path: Path) -> None:
    visits = tmp_path / "visits"
    run = flow(visits).submit({"n": 0})
    run.result(timeout=20)
    fork = run.resume(from_step=1, fork=True)
    assert fork.id != run.id
    assert fork.result(timeout=20).shared["n"] == 3
    assert run.resume(from_step=2).result(timeout=20).shared["n"] == 3
    assert visits.read_text().split() == ["first", "second", "third", "second", "third", "third"]
