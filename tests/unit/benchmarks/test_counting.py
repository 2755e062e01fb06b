"""What was written to a socket is counted by its purpose, and what an idle fleet writes is taken off by time."""

from __future__ import annotations

from collections import Counter
from hashlib import sha1

import pytest

from benchmarks.counted import Cost, Server
from benchmarks.senders import purpose
from benchmarks.wire import Sent, commands_of
from flowq.engine.ledger import script

CLAIM = sha1(script("claim").encode()).hexdigest()


def test_the_commands_of_one_write_are_read_without_what_is_long() -> None:
    raw = b"*3\r\n$4\r\nHSET\r\n$1\r\nk\r\n$90\r\n" + b"x" * 90 + b"\r\n*1\r\n$4\r\nEXEC\r\n"
    assert list(commands_of(raw)) == [("HSET", "k"), ("EXEC",)]
    assert list(commands_of(b"*2\r\n$4\r\nLLEN\r\n$3\r\na|\n\r\n")) == [("LLEN", "a  ")], "what a line is read by"


@pytest.mark.parametrize(
    ("commands", "what"),
    [
        ((("EVALSHA", CLAIM),), "flowq claim"),
        ((("EVALSHA", "0" * 40),), "Celery results and chords"),
        ((("MULTI",), ("ZADD", "flowq:unacked_index"), ("HSET", "flowq:unacked")), "kombu takes and acknowledges"),
        ((("LPUSH", "flowq:flowq"), ("LPUSH", "flowq:flowq")), "kombu publishes"),
        ((("PUBLISH", "flowq:/0.celeryev/task.multi"),), "Celery events"),
        ((("HINCRBY", "flowq:totals"),), "flowq meter"),
        ((("HMGET", "flowq:{b-1}:pages", "0"),), "flowq reads items"),
        ((("ZCARD", "flowq:batches"),), "flowq asks who else is there"),
        ((("XREAD", "BLOCK", "1000"),), "producer waits and reads"),
        ((("OBJECT", "freq"),), "other"),
    ],
)
def test_a_write_is_counted_by_what_it_is_for(commands: tuple[tuple[str, ...], ...], what: str) -> None:
    assert purpose(commands) == what


def test_what_the_pulse_sends_is_its_own_but_for_the_acts() -> None:
    assert purpose((("HMGET", "flowq:{b-1}:meta"),), "flowq-pulse") == "pulse"
    assert purpose((("EVALSHA", CLAIM),), "flowq-pulse") == "flowq claim"


def test_a_chunk_that_was_lent_and_never_claimed_is_counted() -> None:
    commit = sha1(script("commit").encode()).hexdigest()
    sent = [Sent(1, "MainThread", 0.0, 100, (("EVALSHA", act),)) for act in (CLAIM, commit, commit)]
    assert Cost.of(Server(0.0, 0, 0, 0, 0.0), Server(4.0, 900, 90, 30, 0.2), sent).chunks == 2


def test_the_idle_cost_is_taken_off_by_time() -> None:
    sent = [Sent(1, "MainThread", 0.0, 100, (("BRPOP", "q"),))] * 6 + [Sent(1, "MainThread", 0.0, 50, (("GET", "k"),))]
    cost = Cost.of(Server(0.0, 0, 0, 0, 0.0), Server(4.0, 900, 90, 30, 0.2), sent)
    idle = Cost(8.0, Counter({"kombu asks for messages": 8}), in_bytes=200, cpu_s=0.5)
    left = cost.without(idle)
    assert left.trips == {"kombu asks for messages": 2, "other": 1}
    assert (left.in_bytes, left.out_bytes, left.cpu_s) == (800, 90, 0.0)
