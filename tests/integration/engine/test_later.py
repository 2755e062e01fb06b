"""What is kept for a newer flowq: in order, within bounds, given back to one, and only to a queue that is consumed."""

from __future__ import annotations

import pytest
from redis import Redis

from flowq.engine.fleet import later
from flowq.engine.fleet.later import Later, is_ours
from flowq.engine.keys import Keys

QUEUES = {"flowq": "flowq:flowq"}
TASKS = frozenset({"flowq.tomorrow"})


@pytest.fixture
def kept(redis: Redis) -> Later:
    return Later(redis, Keys("flowq"))


def test_messages_come_back_in_their_order(redis: Redis, kept: Later) -> None:
    for number in range(5):
        assert kept.keep("flowq", "flowq.tomorrow", f"{number}".encode()) is None
    assert kept.release(QUEUES, TASKS) == 5
    # Workers take from the right.
    assert redis.lrange("flowq:flowq", 0, -1) == [b"4", b"3", b"2", b"1", b"0"]
    assert redis.keys() == [b"flowq:flowq"]
    assert kept.release(QUEUES, TASKS) == 0


def test_what_is_unknown_still_or_of_another_queue_stays(redis: Redis, kept: Later) -> None:
    kept.keep("flowq", "flowq.tomorrow", b"known")
    kept.keep("flowq", "flowq.in_ten_years", b"unknown")
    kept.keep("gpu", "flowq.tomorrow", b"elsewhere")
    assert kept.release(QUEUES, TASKS) == 1
    assert redis.lrange("flowq:flowq", 0, -1) == [b"known"]
    assert redis.scard("flowq:later") == 2


def test_two_workers_get_different_messages(redis: Redis, kept: Later) -> None:
    for number in range(10):
        kept.keep("flowq", "flowq.tomorrow", f"{number}".encode())
    other = Later(redis, Keys("flowq"))
    assert kept.release(QUEUES, TASKS) + other.release(QUEUES, TASKS) == 10
    assert redis.llen("flowq:flowq") == 10


def test_there_is_no_room_without_end(redis: Redis, kept: Later, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(later, "MAX_MESSAGES", 3)
    monkeypatch.setattr(later, "MAX_NAMES", 2)
    assert "73,729 bytes" in (kept.keep("flowq", "flowq.a", b"x" * (72 * 1024 + 1)) or "")
    assert [kept.keep("flowq", "flowq.a", b"x") for _ in range(3)] == [None] * 3
    assert "3 messages of that task" in (kept.keep("flowq", "flowq.a", b"x") or "")
    assert kept.keep("flowq", "flowq.b", b"x") is None
    assert "2 unknown tasks" in (kept.keep("flowq", "flowq.c", b"x") or "")
    assert redis.llen("flowq:later:flowq:flowq.c") == 0


@pytest.mark.parametrize(
    ("task", "ours"),
    [("flowq.tomorrow", True), ("flowq.run.step_2", True), ("flowq", False), ("flowq.", False), ("celery.map", False),
     ("flowq.A", False), ("flowq.a\n", False), ("flowq." + "a" * 65, False), (None, False), (["flowq.a"], False)],
)  # fmt: skip
def test_a_task_is_ours_by_its_name(task: object, ours: bool) -> None:
    assert is_ours(task) is ours
