"""Time limits of blocking calls."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from typing import Any

import pytest

from flowq.batch import BatchNode
from flowq.batch.running.alarm import call_within
from flowq.errors import ItemTimeout

# pytest-timeout's own way of watching a test uses the very signal.
pytestmark = pytest.mark.timeout(60, method="thread")


def hang() -> None:
    """Never ends by itself, and swallows every Exception."""
    while True:
        with contextlib.suppress(Exception):
            time.sleep(10)


def test_a_call_within_its_time_returns_its_value() -> None:
    assert call_within(5, max, 1, 2) == 2
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_a_call_that_never_ends_is_interrupted_in_the_main_thread() -> None:
    with pytest.raises(ItemTimeout):
        call_within(0.02, hang)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL


def test_an_exception_of_the_call_comes_out_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        call_within(5, lambda: 1 / 0)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_an_inner_limit_is_the_inner_calls_own() -> None:
    def outer() -> str:
        with pytest.raises(ItemTimeout, match=r"0\.02"):
            call_within(0.02, hang)
        return "outer goes on"

    assert call_within(30, outer) == "outer goes on"


def test_an_outer_limit_ends_what_is_inside_it() -> None:
    def outer() -> None:
        try:
            call_within(30, hang)
        except ItemTimeout:
            pytest.fail("the inner call had time left")

    with pytest.raises(ItemTimeout, match=r"0\.02"):
        call_within(0.02, outer)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_in_a_thread_a_call_is_judged_when_it_has_ended() -> None:
    caught: list[BaseException] = []

    def body() -> None:
        try:
            call_within(0.001, time.sleep, 0.01)
        except BaseException as exc:
            caught.append(exc)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert isinstance(caught[0], ItemTimeout)


def test_a_program_that_uses_the_signal_itself_keeps_it() -> None:
    def mine(signum: int, frame: Any) -> None:
        """The program's own."""

    signal.signal(signal.SIGALRM, mine)
    try:
        assert call_within(5, max, 1, 2) == 2
        with pytest.raises(ItemTimeout):
            call_within(0.001, time.sleep, 0.01)
        assert signal.getsignal(signal.SIGALRM) is mine
    finally:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)


def test_an_item_that_hangs_is_one_failed_outcome() -> None:
    class Hangs(BatchNode[int, int]):
        def exec(self, x: int) -> int:
            if x == 1:
                hang()
            return x

    result = Hangs(timeout=0.05, on_error="collect").map([0, 1, 2])
    assert result == [0, None, 2]
    assert isinstance(result.errors[1], ItemTimeout)


def test_limits_hold_over_many_short_calls() -> None:
    for n in range(300):
        with contextlib.suppress(ItemTimeout):
            call_within(0.0005, time.sleep, 0.0004 + n % 3 * 0.0001)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    assert signal.getsignal(signal.SIGALRM) == signal.SIG_DFL
