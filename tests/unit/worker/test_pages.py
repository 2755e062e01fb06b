"""Memory in which a worker's processes say what they hold."""

from __future__ import annotations

import os
import threading

import pytest

from flowq.worker import pages
from flowq.worker.pages import PAGES_A_CHILD, PageView, SharedPages


@pytest.fixture
def shared() -> SharedPages:
    """Whose first child was replaced so often, without a look at what is left of it, that all its pages are taken."""
    made = SharedPages()
    for number in range(PAGES_A_CHILD):
        made.own(0).hold("batch", f"0:{number}-{number + 1}", "worker/1")
    return made


def held(shared: SharedPages) -> list[str]:
    return sorted(chunk for page in shared.used() for _, chunk, _ in page.held)


def test_a_child_waits_until_what_another_one_held_was_looked_at(shared: SharedPages) -> None:
    looked: list[PageView] = []

    def look() -> None:
        looked.append(shared.read(2))
        shared.clear(2)

    looking = threading.Timer(0.1, look)
    looking.start()
    shared.own(0).hold("batch", "0:9-10", "worker/1")
    looking.join()
    assert [one.held for one in looked] == [[("batch", "0:2-3", "worker/1")]]
    assert held(shared) == ["0:0-1", "0:1-2", "0:3-4", "0:9-10"]


def test_it_does_not_wait_for_ever(shared: SharedPages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_FREE_WITHIN_S", 0.05)
    shared.own(0).hold("batch", "0:9-10", "worker/1")
    assert held(shared) == ["0:1-2", "0:2-3", "0:3-4", "0:9-10"]


def test_another_child_has_pages_of_its_own(shared: SharedPages) -> None:
    shared.own(1).hold("batch", "0:9-10", "worker/1")
    assert len(held(shared)) == PAGES_A_CHILD + 1
    assert {page.pid for page in shared.used()} == {os.getpid()}
