"""Whether a comparison meets its bar."""

from __future__ import annotations

from benchmarks.bars import BARS, Bar, bar_of
from benchmarks.comparison import Cell, Comparison
from benchmarks.systems import SYSTEMS
from benchmarks.workloads import WORKLOADS


def beside(ours: tuple[float, ...], other: tuple[float, ...] | None, limit: float | None = None) -> Comparison:
    theirs = None if other is None else Cell("other", other)
    return Comparison("W3-1ms", "items", "dask", "map", Cell("flowq", ours), theirs, limit=limit)


def test_times_as_fast_is_met_from_its_value_on() -> None:
    bar = Bar("times as fast", 20)
    assert bar.met(beside((1.0,), (20.0,)))
    assert not bar.met(beside((1.0,), (19.9,)))


def test_times_as_long_is_met_up_to_its_value() -> None:
    bar = Bar("times as long", 1.5)
    assert bar.met(beside((1.5,), (1.0,)))
    assert not bar.met(beside((1.51,), (1.0,)))


def test_not_behind_is_met_where_the_spreads_overlap_and_not_where_they_do_not() -> None:
    bar = Bar("not behind")
    assert bar.met(beside((1.0, 1.1, 1.2), (1.3, 1.4, 1.5)))
    assert bar.met(beside((1.0, 1.3, 1.5), (0.9, 1.0, 1.1)))
    assert not bar.met(beside((1.2, 1.3, 1.5), (0.9, 1.0, 1.1)))


def test_a_limit_is_on_flowqs_own_median() -> None:
    assert Bar("limit").met(beside((1.0, 2.0, 9.0), None, limit=2.0))
    assert not Bar("limit").met(beside((1.0, 2.1, 9.0), None, limit=2.0))


def test_a_bar_whose_peer_could_not_run_is_neither_met_nor_missed() -> None:
    assert all(Bar(kind).met(beside((1.0,), None)) is None for kind in ("times as fast", "times as long", "not behind"))


def test_a_limit_goes_before_a_bar_and_a_named_peer_before_any() -> None:
    one = beside((1.0,), (1.0,))
    assert bar_of(one) == Bar("not behind")
    assert bar_of(beside((1.0,), (1.0,), limit=3.0)) == Bar("limit")
    pool = Comparison("W3-1ms", "items", "pool", "map", one.flowq, one.other)
    assert bar_of(pool) == Bar("times as fast", 0.95)
    assert bar_of(Comparison("W1-10k", "items", "ray", "map", one.flowq, one.other)) is None


def test_every_bar_is_of_something_that_is_measured() -> None:
    ways = {(one.key, peer, way) for one in WORKLOADS for peer in one.peers for way in one.ways}
    own = {key for key in BARS if key[0].startswith("W7")}
    assert {key for key in BARS if "*" not in key} - ways - own == set()
    assert {key[0] for key in BARS} - {one.key for one in WORKLOADS} - {key[0] for key in own} == set()
    assert {peer for one in WORKLOADS for peer in one.peers} <= set(SYSTEMS)
