"""How much of what a run has brought is too much."""

from __future__ import annotations

from flowq.engine.running.weight import MOST_BYTES, Weight


def test_values_weigh_as_the_newest_of_them_at_each_look() -> None:
    weight = Weight()
    values = [0] * 1000
    assert not weight.is_too_much(values)
    values += ["x" * (MOST_BYTES // 4)] * 3
    assert not weight.is_too_much(values)
    assert not weight.is_too_much(values), "what was weighed is not weighed again"
    assert weight.is_too_much([*values, "x" * (MOST_BYTES // 3)])


def test_a_run_without_values_weighs_nothing() -> None:
    assert not Weight().is_too_much([])
