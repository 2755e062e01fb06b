"""What outlasts the turn of its process."""

from __future__ import annotations

from flowq.engine.running.overhang import Overhang
from tests.unit.engine.running.test_pace import Clock


def test_it_lasts_until_the_last_of_its_items_ends() -> None:
    overhang = Overhang()
    assert overhang.lasts({1, 2, 3})
    assert overhang.lasts({2, 3, 10})
    assert overhang.lasts({3, 10, 11})
    assert not overhang.lasts({10, 11}), "these began after the turn"
    overhang.off()
    assert overhang.lasts({10, 11}), "the next turn is over"


def test_others_wait_until_an_item_takes_exceptionally_long() -> None:
    clock = Clock()
    overhang = Overhang(clock)
    assert not overhang.waits(5.0), "nobody else wants the slot"
    overhang.lasts({1})
    clock.s += 6
    assert overhang.waits(0.0), "none has ended"
    assert overhang.waits(5.0)
    assert not overhang.waits(2.0)
