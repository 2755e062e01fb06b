"""What neighbouring items have brought, folded where they stand."""

from __future__ import annotations

from flowq.batch.results.deltas import fold_runs


def test_each_run_of_neighbours_is_folded_in_its_first_place() -> None:
    assert fold_runs(["a", "b", None, None, "c", "d", "e", None, "f"], "".join) == [
        "ab", None, None, None, "cde", None, None, None, "f",
    ]  # fmt: skip
    assert fold_runs([None, "a", None], "".join) == [None, "a", None]
    assert fold_runs([None, None], "".join) == [None, None]
    assert fold_runs([], "".join) == []


def test_a_run_of_one_is_not_folded() -> None:
    folded: list[list[int]] = []

    def fold(run: list[int]) -> int:
        folded.append(run)
        return sum(run)

    assert fold_runs([1, None, 2, 3], fold) == [1, None, 5, None]
    assert folded == [[2, 3]]
