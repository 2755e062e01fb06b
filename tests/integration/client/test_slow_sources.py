"""A source that has nothing to give for a while: its batch ends with who waits for it, and uses who joins meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

import flowq
from flowq.client.executor import CeleryExecutor
from flowq.engine.connection import Connections
from flowq.engine.fleet.presence import window_of
from flowq.engine.keys import Keys
from tests import nodes
from tests.waiting import until


class Source:
    """Some items, and no more until it is told to go on."""

    def __init__(self, first: int = 3, more: int = 3) -> None:
        self.first, self.more = first, more
        self.goes_on = threading.Event()

    def __iter__(self) -> Iterator[int]:
        yield from range(self.first)
        self.goes_on.wait(60)
        yield from range(self.first, self.first + self.more)


@pytest.fixture
def source() -> Iterator[Source]:
    source = Source()
    yield source
    source.goes_on.set()


def executor_of(cluster: flowq.LocalCluster) -> CeleryExecutor:
    assert cluster.executor is not None
    return cluster.executor


def fail(_: flowq.Progress) -> None:
    raise LookupError("nobody to tell")


def interrupt(_: flowq.Progress) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(("tell", "error"), [(fail, LookupError), (interrupt, KeyboardInterrupt)])
def test_what_ends_the_wait_ends_the_batch_though_its_source_is_silent(
    cluster: flowq.LocalCluster, source: Source, tell: Any, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        nodes.Echo(on_progress=tell).map(iter(source))
    handle = executor_of(cluster).latest()
    assert handle is not None
    until(lambda: handle.state().closed, 5, "the end of the batch")
    assert handle.state().state == "cancelled"
    until(lambda: not [one for one in threading.enumerate() if one.name == "flowq-submit"], 5, "the end of the feeding")


def test_what_a_slow_source_gives_is_shared_among_those_who_joined_meanwhile(source: Source) -> None:
    with flowq.LocalCluster(workers=1, slots=1, imports=["tests.nodes"], grace_s=0) as cluster:
        handle = nodes.Echo().submit(iter(source))
        connections = executor_of(cluster).connections
        until(lambda: handle.progress().done == source.first, 10, "the first items are done")
        cluster.add_worker()
        until(lambda: window(connections, handle.id) == window_of(2), 10, "the batch knows of both")
        source.goes_on.set()
        until(lambda: handle.state().sealed, 10, "the others are written")
        assert window(connections, handle.id) == window_of(2)
        assert handle.result(timeout=20) == list(range(6))


def window(connections: Connections, batch_id: str) -> int:
    """The chunks that may be open at once, as the batch has it."""
    keys: Keys = connections.keys
    return int(connections.redis.hget(keys.meta(batch_id), "window"))


def test_a_batch_has_ended_when_what_its_source_raised_is_told(
    cluster: flowq.LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Redis is slow with the cancel; an error that came first would leave a batch behind that runs, for a moment."""
    ledger = executor_of(cluster).connections.ledger
    control, raised, told = ledger.control, threading.Event(), threading.Event()

    def slow(*args: Any, **options: Any) -> Any:
        raised.set()
        told.wait(0.3)
        return control(*args, **options)

    def source() -> Iterator[int]:
        yield from range(10)
        raise LookupError("the source broke")

    monkeypatch.setattr(ledger, "control", slow)
    handle = nodes.Square().submit(source())
    assert raised.wait(10)
    with pytest.raises(LookupError, match="the source broke"):
        handle.wait(20)
    told.set()
    assert handle.state().state == "cancelled"
