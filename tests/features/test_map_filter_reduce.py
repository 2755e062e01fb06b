"""Rows 57 to 61 and 97: nodes made of functions over a key of the store."""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest

import flowq
from tests.features import functions


def run(node: Any, **shared: Any) -> dict[str, Any]:
    node.run(shared)
    return shared


def test_row_057_items_and_results_by_the_names_of_their_keys(executor: str) -> None:
    shared = run(functions.halves_by_key, numbers=(n for n in (2, 4, 5, 8)))
    assert (shared["halves"], shared["n"]) == ([1, 2, 4], 3)
    anywhere = flowq.ParallelBatchNode.of(functions.tripled, out="tripled")
    assert run(anywhere, items=[1, 2])["tripled"] == [3, 6]
    assert run(flowq.BatchNode.of(functions.tripled), items=[1])["results"] == [3]
    local = flowq.BatchNode.of(functions.half)
    assert run(local, items=[6, 8]) == {"items": [6, 8], "results": [3, 4]}
    assert local.name == "BatchNode[half]"
    with pytest.raises(TypeError, match="MapNode takes a node"):
        flowq.BatchNode.of(functions.third_time)


def test_row_058_a_map_keeps_partial_results_and_counts_failures(executor: str) -> None:
    shared = run(functions.halves, items=[0, 1, 2, 3, 40])
    del shared["items"]
    assert shared == {"results": [0, None, 1, None, 20], "total": 5, "succeeded": 3, "failed": 2}
    assert functions.halves.policy().concurrency == 10


async def up_to(n: int) -> AsyncIterator[int]:
    for i in range(n):
        yield i


def test_a_filter_keeps_async_items(executor: str) -> None:
    shared = run(flowq.FilterNode(functions.tripled), items=up_to(3))
    assert (shared["filtered"], shared["original_count"], shared["filtered_count"]) == ([1, 2], 3, 2)


async def test_a_filter_keeps_async_items_in_a_running_loop(executor: str) -> None:
    shared: dict[str, Any] = {"items": up_to(3)}
    await flowq.FilterNode(functions.tripled).run_async(shared)
    assert shared["filtered"] == [1, 2]


@pytest.mark.parametrize("options", [{"limit": 3}, {"max_items": 3}], ids=["limit", "max_items"])
def test_a_filter_reads_no_more_items_than_it_asks_about(executor: str, options: dict[str, int]) -> None:
    read: list[int] = []
    endless = (read.append(i) or i for i in range(10_000))  # type: ignore[func-returns-value]
    node = flowq.FilterNode(functions.tripled, **options)  # type: ignore[arg-type]
    if "limit" in options:
        assert run(node, items=endless)["filtered"] == [1, 2]
    else:
        with pytest.raises(flowq.BatchInputError, match="max_items=3"):
            run(node, items=endless)
    assert len(read) <= 4


def test_row_058_a_map_takes_a_node_with_its_retries_and_fallback(executor: str) -> None:
    tried = flowq.MapNode(functions.third_time)
    assert run(tried, items=[1, 2])["results"] == [10, 20]
    assert {outcome.attempts for outcome in tried.map([1, 2]).items} == {3}
    fallen = flowq.MapNode(functions.even_or_negative, out="found")
    assert run(fallen, items=[1, 2])["found"] == [-1, 2]
    assert [outcome.status for outcome in fallen.map([1, 2]).items] == ["fallback", "ok"]


def test_row_058_a_map_may_be_a_subclass_or_of_a_lambda_here(inline: None) -> None:
    class Times(flowq.MapNode[int, int]):
        def __init__(self, factor: int) -> None:
            super().__init__(items="numbers")
            self.factor = factor

        def exec(self, item: int) -> int:
            return item * self.factor

    assert Times(3).map([1, 2]) == [3, 6]
    assert flowq.MapNode(lambda x: x + 1).map([1, 2]) == [2, 3]
    with pytest.raises(TypeError, match="MapNode takes a function or a node"):
        flowq.MapNode()
    with pytest.raises(TypeError, match="BatchFlow"):
        flowq.MapNode(flowq.Flow(start=functions.third_time))


def test_row_058_a_registered_function_may_be_given_anywhere(executor: str) -> None:
    assert flowq.MapNode(functions.tripled).map([1, 2]) == [3, 6]
    assert run(flowq.FilterNode(functions.tripled), items=[0, 1])["filtered"] == [1]
    top = flowq.ReduceNode(functions.larger, 0, each=functions.tripled, associative=True)
    assert top.reduce(range(100)) == 297
    assert flowq.ReduceNode(functions.larger, 0, each=functions.third_time, associative=True).reduce([3, 4]) == 40


def test_row_059_a_filter_keeps_what_a_function_says_yes_to(executor: str) -> None:
    shared = run(functions.evens, items=iter(range(7)))
    del shared["items"]
    assert shared == {"filtered": [0, 2, 4, 6], "original_count": 7, "filtered_count": 4}
    assert run(functions.evens_later, numbers=[1, 2])["even"] == [2]
    assert run(functions.with_a, items=["ab", "cd"])["filtered"] == ["ab"]
    with pytest.raises(flowq.BatchError):
        run(flowq.FilterNode(functions.third_time), items=[]) and run(functions.evens, items=["no number"])


def test_row_060_a_reduction_is_one_value_in_item_order(executor: str) -> None:
    shared = run(functions.total, items=range(1000))
    assert (shared["result"], shared["processed_count"]) == (499_600, 1000)
    assert run(functions.total, items=[])["result"] == 100
    here = flowq.ReduceNode(lambda acc, x: [*acc, x], [], out="list")
    assert run(here, items=(1, 2))["list"] == [1, 2]
    assert here.reduce("ab" for _ in range(2)) == ["ab", "ab"]


def test_row_060_a_fold_on_workers_keeps_the_order_and_leaves_failed_items_out(executor: str) -> None:
    shared = run(functions.text, items=range(2000))
    assert shared["result"] == "".join(f"{n}," for n in range(2000) if n % 10 != 7)
    assert shared["processed_count"] == 1800
    lines = ["to be or not", "to be"] * 20
    assert run(functions.words, lines=lines)["words"] == {"to": 40, "be": 40, "or": 20, "not": 20}


@pytest.mark.parametrize("associative", [True, False])
def test_row_060_values_of_fallbacks_are_in_the_reduction(executor: str, associative: bool) -> None:
    node = flowq.ReduceNode(functions.larger, 0, each=functions.even_or_thousand, associative=associative)
    assert run(node, items=[2, 3, 4]) == {"items": [2, 3, 4], "result": 1000, "processed_count": 3}


@pytest.mark.parametrize("associative", [True, False])
def test_row_060_what_many_items_come_to_at_once_is_in_the_reduction(executor: str, associative: bool) -> None:
    largest = partial(flowq.ReduceNode, functions.larger, 0, associative=associative)
    items = range(100)
    assert run(functions.Total(initial=7, associative=associative), items=range(4))["result"] == 67
    shared = run(largest(each=functions.TimesTen(), on_error="skip"), items=items)
    assert (shared["result"], shared["processed_count"]) == (890, 90)
    shared = run(largest(each=functions.TimesTenOrOne()), items=items)
    assert (shared["result"], shared["processed_count"]) == (890, 100)


def test_row_059_a_filter_may_say_it_of_many_items_at_once(executor: str) -> None:
    shared = run(functions.Evens(), items=range(7))
    assert (shared["filtered"], shared["filtered_count"]) == ([0, 2, 4, 6], 4)


def test_row_059_only_yes_or_no_comes_back_of_a_fallback_too(executor: str) -> None:
    assert run(functions.OrLock(), items=range(4))["filtered"] == [1, 3]


def test_row_060_a_reduction_has_no_cache() -> None:
    with pytest.raises(ValueError, match="a reduction keeps no values"):
        flowq.ReduceNode(functions.larger, 0, each=functions.tripled, key=str, cache=60)


def test_row_060_an_item_whose_value_cannot_travel_is_left_out_alone(cluster: flowq.LocalCluster) -> None:
    """Also where the function changes the value of the item before it."""
    assert functions.gathered.reduce(range(100)) == list(range(100))
    shared = run(functions.gathered, items=range(1000))  # in chunks of many items by now
    assert shared["result"] == [n for n in range(1000) if n % 200 != 103]
    assert shared["processed_count"] == 995


def test_row_060_what_cannot_be_combined_is_the_error_of_the_node(executor: str) -> None:
    with pytest.raises(functions.Odd, match="cannot be combined"):
        run(functions.cannot_combine, items=range(10))


def test_row_060_a_value_that_cannot_travel_is_named(cluster: flowq.LocalCluster) -> None:
    with pytest.raises(flowq.EncodeError):
        run(functions.combines_to_nothing_portable, items=range(10))


def test_row_060_a_node_that_workers_do_not_know_says_what_to_do(cluster: flowq.LocalCluster) -> None:
    with pytest.raises(flowq.UnknownNode, match="at the top of a module"):
        flowq.ReduceNode(operator.iadd, associative=True).reduce([1])


def test_row_060_an_initial_value_is_not_changed_and_may_be_missing(inline: None) -> None:
    def extend(acc: list[int], x: int) -> list[int]:
        acc.append(x)
        return acc

    node = flowq.ReduceNode(extend, [])
    assert [node.reduce([1, 2]), node.reduce([3])] == [[1, 2], [3]]
    assert flowq.ReduceNode(operator.add).reduce([1, 2]) == 3
    with pytest.raises(ValueError, match="no items to reduce"):
        flowq.ReduceNode(operator.add).reduce([])
    items = [[1], [2]]
    assert flowq.ReduceNode(operator.iadd, associative=True).reduce(items) == [1, 2]
    assert items == [[1], [2]]


@pytest.mark.parametrize("node", [functions.halves, functions.evens, functions.total])
def test_row_061_a_missing_key_is_named_and_any_iterable_will_do(executor: str, node: Any) -> None:
    with pytest.raises(KeyError, match="items") as raised:
        node.run({})
    assert f"{node.name} reads its items from shared['items']" in raised.value.__notes__[0]
    for given in ([2, 4], (2, 4), {2: 0, 4: 0}.keys(), iter([2, 4]), range(2, 5, 2)):
        node.run({"items": given})
    with pytest.raises(flowq.BatchInputError):
        node.run({"items": 7})


def test_row_097_to_list() -> None:
    given: list[Any] = [None, 5, "text", b"bytes", {"a": 1}, [1, 2], (1, 2), {3}, range(2), (n for n in "ab")]
    expected = [[], [5], ["text"], [b"bytes"], [{"a": 1}], [1, 2], [1, 2], [3], [0, 1], ["a", "b"]]
    assert [flowq.to_list(one) for one in given] == expected
