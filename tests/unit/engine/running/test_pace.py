"""The pace of a long task."""

from __future__ import annotations

from flowq.engine.running.pace import Pace


class Clock:
    s = 100.0

    def __call__(self) -> float:
        return self.s


def test_a_pace_is_that_of_the_last_seconds() -> None:
    clock = Clock()
    pace = Pace(clock)
    for _ in range(600):  # a minute of 1,000 items a second
        clock.s += 0.1
        pace.ended(100)
    items, seconds = pace.lately()
    assert 3.5 < seconds < 6.5
    assert 900 < items / seconds < 1100
    for _ in range(90):  # and nine seconds of 20
        clock.s += 0.1
        pace.ended(2)
    items, seconds = pace.lately()
    assert 18 < items / seconds < 22


def test_a_pace_at_the_begin_is_of_all_items() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert pace.lately() == (0, 0.0)
    clock.s += 0.25
    pace.ended(7)
    assert pace.lately() == (7, 0.25)


def test_while_nothing_ends_the_pace_falls() -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.s += 1.0
    pace.ended(10)
    clock.s += 9.0
    assert pace.lately() == (10, 10.0)
