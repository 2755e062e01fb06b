"""Ratios, scaling and the file of what was measured: arithmetic alone, nothing is timed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.comparison import Cell, Comparison, append, forget, read, scaled
from benchmarks.interleave import LONGEST_RUN_S, grown

BESIDE = Comparison(
    workload="W1-10k",
    what="10,000 no-op items",
    peer="chord",
    way="map",
    flowq=Cell("flowq", (0.05, 0.04, 0.9)),
    other=Cell("Celery chord", (10.0, 9.0, 11.0), "prefork", 1_000),
    ideal=Cell("multiprocessing.Pool", (0.04, 0.02, 0.03)),
    machine={"cores": "2"},
)


def test_the_ratio_is_that_of_the_medians_and_more_is_better() -> None:
    assert BESIDE.ratio == pytest.approx(10.0 / 0.05)
    assert BESIDE.of_ideal == pytest.approx(0.03 / 0.05)


def test_where_more_is_better_the_ratio_is_turned_round() -> None:
    rates = replace(BESIDE, unit="/s", flowq=Cell("flowq", (300.0,)), other=Cell("PocketFlow", (100.0,)))
    assert rates.ratio == pytest.approx(3.0)


def test_there_is_no_ratio_where_one_of_them_was_not_run() -> None:
    assert replace(BESIDE, other=None).ratio is None
    assert replace(BESIDE, flowq=None).ratio is None
    assert replace(BESIDE, ideal=None).of_ideal is None


def test_what_fewer_items_took_is_scaled_up() -> None:
    assert scaled([1.0, 2.0], 10_000, 1_000_000) == (100.0, 200.0)


def test_a_slow_peer_is_measured_with_fewer_items() -> None:
    assert grown(100, LONGEST_RUN_S / 10, 10_000) == 1_000
    assert grown(100, LONGEST_RUN_S / 9, 10_000) == 500
    assert grown(100, LONGEST_RUN_S / 4, 10_000) == 200
    assert grown(100, LONGEST_RUN_S / 1.9, 10_000) is None


def test_nobody_is_measured_with_more_items_than_the_workload_has() -> None:
    assert grown(2_000, 0.1, 2_500) == 2_500
    assert grown(2_500, 0.1, 2_500) is None


def test_what_is_forgotten_is_measured_again_and_the_rest_stays(tmp_path: Path) -> None:
    file, other = tmp_path / "peers.jsonl", replace(BESIDE, peer="group")
    for one in (BESIDE, replace(BESIDE, unit="MiB"), other):
        append(file, one)
    forget(file, {("W1-10k", "chord", "map")})
    assert read(file) == [other]
    forget(tmp_path / "none.jsonl", {("W1-10k", "chord", "map")})


def test_what_was_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "new" / "peers.jsonl"
    cannot = replace(BESIDE, peer="rq", flowq=None, other=None, ideal=None, why="not installed")
    append(file, BESIDE)
    append(file, cannot)
    assert read(file) == [BESIDE, cannot]


def test_a_later_measurement_of_the_same_stands_and_keeps_its_place(tmp_path: Path) -> None:
    file, later = tmp_path / "peers.jsonl", replace(BESIDE, flowq=Cell("flowq", (1.0,)))
    for one in (BESIDE, replace(BESIDE, peer="group"), replace(BESIDE, unit="MiB"), later):
        append(file, one)
    assert [(one.peer, one.unit) for one in read(file)] == [("chord", "s"), ("group", "s"), ("chord", "MiB")]
    assert read(file)[0] == later


def test_a_file_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    assert read(tmp_path / "peers.jsonl") == []
