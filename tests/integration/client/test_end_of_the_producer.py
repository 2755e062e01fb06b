"""A program that ends while a thread of it still writes the items of a batch, and nobody waits for that batch."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import flowq
from tests.programs import Program

SUBMITS = """
    import itertools
    import signal
    import sys
    import threading
    import time
    from flowq.client import feeding
    from tests import nodes

    ended = threading.Event()

    def slowly():
        for number in range(10):
            ended.wait(0.05)
            yield number

    def blocks():
        yield 0
        ended.wait()

    def fails():
        ended.wait(0.5)
        raise KeyError("the source")
        yield
"""


@pytest.fixture
def program(cluster: flowq.LocalCluster, tmp_path: Path) -> Iterator[Callable[[str], Program]]:
    """Start a program that goes on after SUBMITS, with the workers of the cluster for its fleet."""
    started: list[Program] = []

    def start(source: str) -> Program:
        path, env = tmp_path / "program.py", {"FLOWQ_BROKER_URL": cluster.broker_url}
        started.append(Program(path, SUBMITS + source, env=env))
        return started[-1]

    yield start
    for one in started:
        one.abandon()


@pytest.mark.parametrize("end", ["", "sys.exit(3)"], ids=["as its script ends", "by sys.exit"])
def test_it_ends_when_all_items_are_written(program: Callable[[str], Program], end: str) -> None:
    one = program(f"""
    print(nodes.Square().submit(slowly()).id, flush=True)
    {end}
    """)
    batch = flowq.get_batch(one.line())
    assert one.end() == (3 if end else 0, "")
    assert batch.result(timeout=20) == [number**2 for number in range(10)]


def test_it_ends_at_once_and_says_what_is_not_written_if_it_has_failed(program: Callable[[str], Program]) -> None:
    one = program("""
    print(nodes.Square().submit(blocks()).id, flush=True)
    raise LookupError("in the program")
    """)
    batch = flowq.get_batch(one.line())
    status, said = one.end()
    assert status == 1
    assert "LookupError: in the program" in said
    assert f"the program ends before it has written all items of {batch.id}" in said
    batch.cancel()


def test_it_does_not_wait_for_a_source_that_gives_nothing_more(program: Callable[[str], Program]) -> None:
    one = program("""
    feeding.SOURCE_GIVES_WITHIN_S = 0.2
    print(nodes.Square().submit(blocks()).id, flush=True)
    """)
    batch = flowq.get_batch(one.line())
    status, said = one.end()
    assert (status, said.count("before it has written all items")) == (0, 1)
    batch.cancel()


def test_ctrl_c_ends_it_at_once(program: Callable[[str], Program]) -> None:
    one = program("""
    feeding.SAID_AFTER_S = 0.0
    feeding.log.warning = lambda *words, **_: print(words[0] % words[1:], flush=True)
    print(nodes.Square().submit(itertools.count()).id, flush=True)
    """)
    batch = flowq.get_batch(one.line())
    assert one.line() == f"the program ends as soon as it has written all items of {batch.id}; Ctrl-C ends it now"
    one.signal(signal.SIGINT)
    assert one.line().startswith(f"the program ends before it has written all items of {batch.id}")
    assert one.end()[0] == 0
    batch.cancel()


@pytest.mark.parametrize("waits", ["batch.result()", "batch.wait()"])
def test_the_traceback_of_ctrl_c_does_not_lead_into_the_client_of_redis(
    program: Callable[[str], Program], waits: str
) -> None:
    one = program(f"""
    from flowq.engine.reading.closings import Closings
    from flowq.engine.reading.commit_line import CommitLine

    def in_a_socket(*_):
        signal.raise_signal(signal.SIGINT)

    Closings._told = CommitLine._read = in_a_socket
    batch = nodes.Square().submit(slowly())
    print(batch.id, flush=True)
    {waits}
    """)
    batch = flowq.get_batch(one.line())
    status, said = one.end()
    assert status == -signal.SIGINT
    assert "\nKeyboardInterrupt\n" in said
    assert waits in said
    assert "in_a_socket" not in said
    batch.cancel()


def test_a_source_that_fails_then_is_told(program: Callable[[str], Program]) -> None:
    one = program("""
    print(nodes.Square().submit(fails()).id, flush=True)
    """)
    batch_id = one.line()
    assert one.end() == (0, f"not all items of {batch_id} were written: KeyError('the source')\n")


@pytest.mark.parametrize(
    "over",
    [
        "batch.cancel()",
        "import flowq; cluster = flowq.LocalCluster(workers=0).start(); nodes.Square().submit(itertools.count())",
    ],
    ids=["it was cancelled", "its LocalCluster ends with the program"],
)
def test_a_batch_that_is_over_keeps_no_program_from_its_end(program: Callable[[str], Program], over: str) -> None:
    one = program(f"""
    batch = nodes.Square().submit(blocks())
    batch.cancel()
    {over}
    """)
    status, said = one.end()
    assert (status, "the program ends" in said) == (0, False), said
