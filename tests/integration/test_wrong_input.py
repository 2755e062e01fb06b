"""What a program asks that cannot be: a sentence that says what to do, the same in one process and on workers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flowq
from tests import nested, nodes

NO_SECONDS = [
    ("5", TypeError, "not str"),
    (True, TypeError, "not bool"),
    ([], TypeError, "not list"),
    (math.nan, ValueError, "not NaN"),
]


@pytest.mark.parametrize(("timeout", "kind", "said"), NO_SECONDS, ids=repr)
def test_a_timeout_is_a_number_of_seconds(
    executor: str, tmp_path: Path, timeout: Any, kind: type[Exception], said: str
) -> None:
    batch = nodes.Square().submit([2])
    run = flowq.Flow(nested.Step("one", str(tmp_path / "notes"))).submit({})
    waits: list[Callable[[Any], object]] = [batch.wait, batch.result, run.wait, run.result]
    for wait in waits:
        with pytest.raises(kind, match=f"timeout is a number of seconds, or None to wait without end, {said}"):
            wait(timeout)
    assert batch.result(20) == [4]
    assert run.wait(20)


def test_a_timeout_may_be_longer_than_any_lock_waits(executor: str) -> None:
    batch = nodes.Square().submit([2])
    assert batch.wait(math.inf)
    assert batch.result(1e300) == [4]
    assert batch.wait(-1), "it has ended"


class Same(flowq.ParallelBatchNode[Any, Any]):
    def exec(self, item: Any) -> Any:
        return item


@pytest.mark.parametrize(
    ("options", "kind", "said"),
    [
        ({"wait": "2"}, ValueError, "wait must be finite and >= 0, not '2'"),
        ({"wait": None}, ValueError, "wait must be finite and >= 0, not None"),
        ({"retry": 3}, TypeError, "retry takes a flowq.Retry, such as flowq.Retry(attempts=3, wait=1), not 3"),
        ({"timeout": True}, ValueError, "timeout is in seconds and above 0, not True"),
        ({"timeout": math.inf}, ValueError, "timeout is in seconds and above 0, not inf"),
        ({"name": 3}, TypeError, "the name of a node is text, not 3"),
        ({"name": "\ud800"}, ValueError, "the name of a node cannot be written as UTF-8"),
        ({"policy": "raise"}, TypeError, "policy takes a flowq.BatchPolicy, not 'raise'"),
        ({"hooks": print}, TypeError, "hooks is a list: hooks=[print]"),
        ({"on_progress": True}, TypeError, "on_progress takes a function, not True"),
        ({"key": "id"}, TypeError, "key takes a function, not 'id'"),
        ({"concurrency": True}, ValueError, "it takes a number, not True"),
        ({"chunk_size": True}, ValueError, "it takes a number, not True"),
        ({"cache": True}, ValueError, "it takes a number, not True"),
        ({"queue": ""}, ValueError, "a queue has a name of 1 to 200 printable characters without a comma"),
        ({"queue": "a,b"}, ValueError, "without a comma, as workers take it"),
        ({"queue": "a\nb"}, ValueError, "printable characters"),
        ({"queue": "q" * 201}, ValueError, "1 to 200"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_wrong_option_is_said_where_the_node_is_made(
    options: dict[str, Any], kind: type[Exception], said: str
) -> None:
    with pytest.raises(kind, match=re.escape(said)):
        Same(**options)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: flowq.Rate("10"), "limit of a rate is finite and > 0, not '10'"),  # type: ignore[arg-type]
        (lambda: flowq.Rate(True), "limit of a rate is finite and > 0, not True"),
        (lambda: flowq.Breaker(reset=None), "reset is finite and > 0 seconds, not None"),  # type: ignore[arg-type]
        (lambda: flowq.Cache("1h"), "ttl is finite and > 0 seconds, not '1h'"),  # type: ignore[arg-type]
        (lambda: flowq.Retry(backoff="2"), "backoff must be finite and >= 0, not '2'"),  # type: ignore[arg-type]
    ],
)
def test_a_number_is_asked_for_in_words(make: Callable[[], object], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        make()


@pytest.mark.parametrize("limit", ["3", -1, 1.5, True, [1]], ids=repr)
def test_a_limit_is_a_number_of_items(executor: str, limit: Any) -> None:
    for call in (nodes.Square().map, nodes.Square().submit, nodes.Square().stream):
        with pytest.raises(ValueError, match=r"limit counts items, a whole number >= 0, or None for all; not "):
            call([1, 2], limit=limit)
    assert nodes.Square().map([1, 2], limit=10**30) == [1, 4]


def test_more_items_than_max_items_are_told_what_to_raise(executor: str) -> None:
    with pytest.raises(flowq.BatchInputError, match=r"more than max_items=1 items\. Give fewer \(limit= takes"):
        nodes.Square(max_items=1).map([1, 2])


def test_names_may_be_as_long_and_as_strange_as_one_likes(executor: str) -> None:
    for name in ("n" * 10_000, "two\nlines", "Übergröße", "a\0b", "[bold]", "{meta}"):
        assert nodes.Square(name=name).submit([2], label=name).result(20) == [4]
        assert nodes.Square(name=name).submit([2], key=name).result(20) == [4]


@pytest.mark.parametrize("what", ["label", "key"])
def test_text_that_no_one_can_write_is_refused(executor: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"the {what} of a batch or run cannot be written as UTF-8"):
        nodes.Square().submit([2], **{what: "\ud800"})
