"""Work over time and item times: what is collected stays small, and adds up."""

from __future__ import annotations

import random

import pytest

from flowq.report.spread import Spread, span
from flowq.report.timeline import MAX_BINS, Timeline


def test_items_and_busy_time_add_up_whatever_the_length() -> None:
    rng = random.Random(7)
    timeline = Timeline()
    busy_s, items, at = 0.0, 0, 1_700_000_000.0
    for _ in range(2000):
        length, n = rng.choice([0.0, 0.001, 0.2, 30.0]), rng.randrange(1, 50)
        timeline.add(at, at + length, {"ok": n - 1, "failed": 1}, rng.choice(["one", "two"]))
        busy_s, items, at = busy_s + length, items + n, at + length
    bins = timeline.bins(180)
    assert bins.n <= 180
    assert sum(sum(row) for row in bins.done.values()) == pytest.approx(items)
    assert sum(bins.done["failed"]) == pytest.approx(2000)
    assert sum(sum(row) for row in bins.busy.values()) * bins.width_s == pytest.approx(busy_s, rel=1e-6)


def test_runs_need_not_come_in_order() -> None:
    timeline = Timeline()
    for start in (500.0, 100.0, 900.0):
        timeline.add(start, start + 10, {"ok": 5}, "one")
    bins = timeline.bins(MAX_BINS)
    assert bins.began_at == pytest.approx(100.0, abs=bins.width_s)
    assert sum(bins.done["ok"]) == pytest.approx(15)


def test_the_pause_between_a_batch_and_its_redrive_is_left_out() -> None:
    timeline = Timeline()
    timeline.add(0.0, 60.0, {"failed": 60}, "one")
    timeline.add(86_400.0, 86_460.0, {"ok": 60}, "one")
    bins = timeline.bins(180)
    [(place, length_s)] = bins.cuts.items()
    assert length_s == pytest.approx(86_340, rel=0.01)
    assert bins.n * bins.width_s < 600
    assert sum(bins.done["failed"][:place]) == pytest.approx(60)
    assert sum(bins.done["ok"][place:]) == pytest.approx(60)


def test_a_pause_within_a_batch_is_shown() -> None:
    timeline = Timeline()
    timeline.add(0.0, 60.0, {"ok": 60}, "one")
    timeline.add(80.0, 140.0, {"ok": 60}, "one")
    assert timeline.bins(180).cuts == {}


def test_nothing_has_no_bins() -> None:
    assert Timeline().bins(180).n == 0


def test_quantiles_are_right_to_six_per_cent() -> None:
    rng = random.Random(3)
    times = sorted(rng.lognormvariate(-4, 1.5) for _ in range(20_000))
    spread = Spread()
    spread.add(times)
    for share in (0.1, 0.5, 0.95, 0.99):
        assert spread.quantile(share) == pytest.approx(times[int(share * len(times)) - 1], rel=0.061)
    assert spread.quantile(1.0) == pytest.approx(times[-1], rel=0.061)
    counts, first_s = spread.columns()
    assert sum(counts) == len(times)
    assert first_s <= times[0]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (4e-8, "0.04 µs"), (9.999e-4, "1 ms"), (0.0042, "4.2 ms"), (3.44, "3.4 s"), (75, "1 min 15 s")],
)
def test_item_times_are_short(seconds: float, text: str) -> None:
    assert span(seconds).replace("\u00a0", " ") == text
