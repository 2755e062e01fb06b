"""Which items of a range may be committed, and which run on by themselves."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from flowq.batch.results.done import ItemDone
from flowq.engine.running.held_range import HeldRange

START, STOP = 10, 20


def held(*, finished: Iterable[int], given: int = STOP) -> HeldRange:
    """Whose items up to *given* have begun."""
    made = HeldRange("0:10-20", START, STOP)
    for index in range(START, given):
        made.begin(index)
    for index in finished:
        made.finished[index] = ItemDone(index)
    return made


@pytest.mark.parametrize(
    ("finished", "slow"),
    [
        ([], (10, [])),
        ([10, 11], (12, [])),
        ([12], (13, [10, 11])),
        ([10, 12, 14], (15, [11, 13])),
        (range(11, 20), (20, [10])),
    ],
)
def test_slow_items_are_those_before_a_finished_one(finished: Iterable[int], slow: tuple[int, list[int]]) -> None:
    assert held(finished=finished).slow(0.0, 100) == slow


def test_of_many_the_first_run_on_alone_and_the_range_ends_before_the_next() -> None:
    assert held(finished=[12, 14, 19]).slow(0.0, 2) == (13, [10, 11])
    assert held(finished=[11, 19]).slow(0.0, 2) == (13, [10, 12])
    assert held(finished=[11]).slow(0.0, 0) == (10, [])


def test_items_run_from_their_begin_to_their_end() -> None:
    assert held(finished=[10, 12], given=15).running() == [11, 13, 14]
    assert held(finished=[], given=START).running() == []


def test_none_is_slow_before_its_time() -> None:
    assert held(finished=[12]).slow(60.0, 100) == (START, [])


def test_it_is_over_when_all_its_items_have_ended() -> None:
    made = held(finished=range(10, 19))
    assert not made.is_over()
    made.finished[19] = ItemDone(19)
    assert made.is_over()
    made.advance(15)
    assert made.is_over()
