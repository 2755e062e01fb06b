"""Row 52: the size of chunks, and ``exec_many``, which gets a whole chunk while outcomes stay per item."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

import flowq
from tests.features import functions

pytestmark = pytest.mark.usefixtures("executor")

KINDS = [functions.Embeds, functions.EmbedsLater]


def test_row_052_exec_still_sees_one_item_whatever_the_chunk_size() -> None:
    assert flowq.MapNode(functions.third_time, chunk_size=7, max_retries=3).map(range(20)) == [
        10 * item for item in range(20)
    ]


@pytest.mark.parametrize("node", KINDS)
def test_row_052_a_whole_chunk_goes_into_one_call(node: Any) -> None:
    result = node(chunk_size=10, on_error="collect", concurrency=10).map(range(95))
    assert [outcome.status for outcome in result.items] == ["failed" if n % 10 == 9 else "ok" for n in range(95)]
    sizes = Counter(value[1] for value in result if value is not None)
    assert sizes == {10: 81, 5: 5}
    assert isinstance(result.errors[9], functions.Odd)
    found = node(on_error="skip").map(range(300))
    assert [value[0] for value in found] == [n for n in range(300) if n % 10 != 9]
    assert max(value[1] for value in found) > 10


@pytest.mark.parametrize("in_flight", [{}, {"in_flight": 40}])
def test_row_052_an_item_that_spoils_its_call_fails_alone_in_the_end(in_flight: dict[str, int]) -> None:
    node = functions.Spoils(3, chunk_size=20, on_error="collect", **in_flight)
    result = node.map(range(40))
    assert result == [None if n == 13 else n * 2 for n in range(40)]
    assert [(outcome.index, outcome.status, outcome.attempts) for outcome in result.failed] == [(13, "failed", 3)]
    assert str(result.errors[13]) == "a call of 1, try 2"
    assert result.errors[13].__notes__ == ["in node Spoils, item 13, attempt 3"]
    assert result.items[14].attempts == 3
    fallen = functions.Spoils(2, chunk_size=20, config={"falls back": True}).map(range(12, 15))
    assert fallen == [24, -13, 28]


def test_row_052_without_retries_a_call_fails_for_all_its_items() -> None:
    result = functions.Spoils(chunk_size=5, on_error="collect").map(range(10, 20))
    assert list(result.errors) == [0, 1, 2, 3, 4]
    assert [error.__notes__ for error in result.errors.values()] == [
        [f"in node Spoils, item {index}, attempt 1"] for index in range(5)
    ]


def test_row_052_a_call_that_answers_for_too_few_items_says_so() -> None:
    with pytest.raises(flowq.BatchError, match="exec_many returned 2 results for 3 items"):
        functions.TooFew(chunk_size=3).map(range(3))


@pytest.mark.parametrize("kind", ["dict", "set", "str", "bytes", "NoneType", "int"])
def test_row_052_an_answer_that_is_no_list_of_results_says_so(kind: str, executor: str) -> None:
    result = functions.Answers(config={"kind": kind}, chunk_size=2, on_error="collect").map([1, 2])
    assert list(result) == [None, None]
    for error in result.errors.values():
        assert str(error).startswith(
            f"Answers.exec_many returned a {kind}, not a list of results: it returns one for each item"
        )
