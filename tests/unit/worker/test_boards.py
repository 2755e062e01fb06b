"""Memory in which a worker's processes say what they hold."""

from __future__ import annotations

import os
import threading

import pytest

from flowq.worker import boards
from flowq.worker.boards import BOARDS_A_CHILD, Boards, BoardView


@pytest.fixture
def shared() -> Boards:
    """Whose first child was replaced so often, without a look at what is left of it, that all its boards are taken."""
    made = Boards()
    for number in range(BOARDS_A_CHILD):
        made.own(0).hold("batch", f"0:{number}-{number + 1}", "worker/1")
    return made


def held(shared: Boards) -> list[str]:
    return sorted(chunk for board in shared.used() for _, chunk, _ in board.held)


def test_a_child_waits_until_what_another_one_held_was_looked_at(shared: Boards) -> None:
    looked: list[BoardView] = []

    def look() -> None:
        looked.append(shared.read(2))
        shared.clear(2)

    looking = threading.Timer(0.1, look)
    looking.start()
    shared.own(0).hold("batch", "0:9-10", "worker/1")
    looking.join()
    assert [one.held for one in looked] == [[("batch", "0:2-3", "worker/1")]]
    assert held(shared) == ["0:0-1", "0:1-2", "0:3-4", "0:9-10"]


def test_it_does_not_wait_for_ever(shared: Boards, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boards, "_FREE_WITHIN_S", 0.05)
    shared.own(0).hold("batch", "0:9-10", "worker/1")
    assert held(shared) == ["0:1-2", "0:2-3", "0:3-4", "0:9-10"]


def test_another_child_has_boards_of_its_own(shared: Boards) -> None:
    shared.own(1).hold("batch", "0:9-10", "worker/1")
    assert len(held(shared)) == BOARDS_A_CHILD + 1
    assert {board.pid for board in shared.used()} == {os.getpid()}


def test_what_a_child_goes_on_with_takes_the_place_of_what_it_held() -> None:
    shared = Boards()
    own = shared.own(0)
    own.hold("batch", "0:0-1", "worker/1")
    own.hold("other", "0:5-6", "worker/1")
    before = shared.used()[0].sequence
    own.move("batch", "0:0-1", "0:1-3")
    [board] = shared.used()
    assert sorted(board.held) == [("batch", "0:1-3", "worker/1"), ("other", "0:5-6", "worker/1")]
    assert board.sequence == before + 2  # written once
    own.release("batch", "0:1-3")
    assert held(shared) == ["0:5-6"]
