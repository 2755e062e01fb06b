"""A batch within a batch rests with its parent and goes on with it, but for one that somebody has paused itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from flowq.client.executor import CeleryExecutor
from flowq.client.handle import BatchHandle
from flowq.engine.batches import read_header
from flowq.engine.ending.family import follow_parent
from tests.nodes import Square

Handle = BatchHandle[Any]


class Family:
    """A batch and a child of it, neither of which anybody runs."""

    def __init__(self, producer: CeleryExecutor) -> None:
        self.parent: Handle = producer.submit(Square().job(range(3)))
        self.child: Handle = producer.submit(Square().job(range(3)))
        self._connections = producer.connections
        header = read_header(producer.connections.redis, producer.connections.keys, self.child.id)
        self._header = replace(header, parent=self.parent.id)

    def cared_for(self) -> str:
        """The state of the child after a round of a caretaker."""
        follow_parent(self._connections, self._header)
        return self.child.state().state


@pytest.fixture
def family(producer: CeleryExecutor) -> Family:
    return Family(producer)


def test_a_child_rests_with_its_parent_and_goes_on_with_it(family: Family) -> None:
    for _ in range(2):
        family.parent.pause()
        assert [family.cared_for(), family.cared_for()] == ["paused", "paused"]
        family.parent.resume()
        assert family.cared_for() == "running"


def ended_and_redriven(family: Family) -> None:
    """While it rested; nothing is left of that."""
    family.parent.cancel()
    assert family.cared_for() == "cancelled"
    family.parent.retry_failed()
    family.child.retry_failed()
    family.child.pause()


def while_it_rested(family: Family) -> None:
    family.child.pause()
    family.parent.resume()


def gone_on_before_its_caretaker_came(family: Family) -> None:
    family.parent.resume()
    family.child.resume()
    family.child.pause()


@pytest.mark.parametrize("when", [ended_and_redriven, while_it_rested, gone_on_before_its_caretaker_came])
def test_a_child_that_somebody_pauses_stays_so_though_it_rested_before(
    family: Family, when: Callable[[Family], None]
) -> None:
    family.parent.pause()
    assert family.cared_for() == "paused"
    when(family)
    assert family.cared_for() == "paused"
    assert family.parent.state().state == "running"
    family.child.resume()
    assert family.cared_for() == "running"
