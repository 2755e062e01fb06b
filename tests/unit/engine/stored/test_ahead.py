"""Reading a source ahead: in order, never too far, and not waiting for an item that does not come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from itertools import count

import pytest

from flowq.engine.stored.ahead import Ahead
from flowq.engine.stored.pages import Pager
from tests.waiting import until


def everything(ahead: Ahead, most: int) -> list[int]:
    taken: list[int] = []
    ended = False
    while not ended:
        some, ended = ahead.take(most)
        assert len(some) <= most
        taken += some
    return taken


@pytest.mark.parametrize("most", [1, 7, 64, 10_000])
def test_everything_comes_once_and_in_order(most: int) -> None:
    assert everything(Ahead(iter(range(5000))), most) == list(range(5000))


def test_a_source_of_nothing_ends_at_once() -> None:
    assert Ahead(iter(())).take(64) == ([], True)


def test_what_is_there_does_not_wait_for_what_is_not() -> None:
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        yield from range(3)
        goes_on.wait(10)
        yield 3

    ahead = Ahead(items())
    assert ahead.take(64) == ([0, 1, 2], False)
    goes_on.set()
    assert everything(ahead, 64) == [3]


def test_who_takes_from_a_silent_source_is_let_go_now_and_then() -> None:
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        goes_on.wait(10)
        yield 0

    ahead = Ahead(items())
    assert ahead.take(64) == ([], False)
    goes_on.set()
    assert everything(ahead, 64) == [0]


def test_an_error_of_the_source_comes_after_its_items() -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the source went away")

    ahead = Ahead(items())
    assert ahead.take(64) == ([0, 1, 2], False)
    with pytest.raises(OSError, match="went away"):
        ahead.take(64)


def test_it_reads_no_further_than_it_was_told_and_ends_when_stopped() -> None:
    source, others = count(), set(threading.enumerate())
    ahead = Ahead(source)
    assert ahead.take(10)[0] == list(range(10))
    ahead.stop()
    until(lambda: set(threading.enumerate()) <= others, 5, "its thread has ended")
    assert next(source) <= 12


def test_pages_of_a_source_that_pauses_are_cut_where_it_pauses() -> None:
    goes_on = threading.Event()

    def items() -> Iterator[int]:
        yield from range(5)
        goes_on.wait(10)
        yield from range(5, 8)

    pages = iter(Pager(items()))
    assert next(pages) == ([], False), "the source is being read"
    first, last = next(pages)
    assert ([page.n for page in first], last) == ([5], False)
    goes_on.set()
    rest = [([page.n for page in some], last) for some, last in pages]
    assert rest in ([([3], True)], [([3], False), ([], True)])
