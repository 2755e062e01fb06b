"""The batch nodes' keywords, and nodes made of functions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_type

import pytest
from pydantic import ValidationError

from flowq.batch import (
    BatchNode,
    BatchPolicy,
    BatchResult,
    MapNode,
    ParallelBatchNode,
    parallel_batch_node,
)
from flowq.core import Flow, ItemContext, Node, Retry, build, spec_of

pytestmark = pytest.mark.usefixtures("inline")


class Length(ParallelBatchNode[str, int]):
    def exec(self, text: str) -> int:
        return len(text)


@parallel_batch_node
def score(x: int) -> float:
    """Halves."""
    return x / 2


@parallel_batch_node(max_retries=3, on_error="collect", label="rows")
async def row(x: int, *, ctx: ItemContext) -> int:
    await asyncio.sleep(0)
    if ctx.attempt < x:
        raise ValueError
    return x


def test_the_keywords_become_the_policy() -> None:
    options: Any = {
        "timeout": 9,
        "on_error": "skip",
        "max_failures": 0.1,
        "concurrency": 4,
        "in_flight": 7,
        "rate": "5/s",
        "deadline": 60,
        "chunk_size": 10,
        "priority": 3,
        "queue": "slow",
        "retention_s": 5,
        "max_items": 99,
    }
    node = Length(3, 0.5, **options)
    assert node.policy() == BatchPolicy(retry=Retry(3, 0.5), **options)
    assert node.policy() is node.policy()


def test_a_policy_may_be_given_whole_and_not_in_halves() -> None:
    policy = BatchPolicy(retry=Retry(4), timeout=2, on_error="collect")
    node = Length(policy=policy)
    assert node.policy() is policy
    assert (node.max_retries, node.timeout) == (4, 2)
    for half in ({"on_error": "skip"}, {"timeout": 3}, {"max_retries": 2}):
        with pytest.raises(ValueError, match="not both"):
            Length(policy=policy, **half)


def test_several_iterables_are_refused_with_the_way_to_give_them() -> None:
    several: list[Callable[[], object]] = [
        lambda: score.map([1], [2]),  # type: ignore[call-overload]
        lambda: asyncio.run(score.map_async([1], [2])),  # type: ignore[call-overload]
        lambda: score.submit([1], [2]),  # type: ignore[call-overload]
        lambda: score.stream([1], [2]),  # type: ignore[call-overload]
    ]
    for call in several:
        with pytest.raises(TypeError, match=r"given 2 iterables.*node\.map\(zip\(xs, ys\)\)"):
            call()


@pytest.mark.parametrize(
    "visit",
    [
        lambda shared: score.run(shared),
        lambda shared: Flow(score).run(shared),
        lambda shared: Flow(score).submit(shared).result(timeout=20),
    ],
)
def test_who_runs_a_batch_node_without_prep_in_a_flow_is_told_that_it_has_no_items(
    visit: Callable[[dict[str, Any]], Any],
) -> None:
    with pytest.warns(UserWarning, match=r"^score runs no items: it has no prep\. Define prep\(self, shared\)"):
        visit({"items": [1, 2]})
    assert score.map([]) == []
    assert Nothing().run({}) is None, "prep may say that there are none"


class Nothing(ParallelBatchNode[int, int]):
    def prep(self, shared: Any) -> None:
        return None

    def exec(self, item: int) -> int:
        return item


def test_an_unknown_keyword_is_a_type_error_and_a_wrong_value_a_value_error() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'concurency'"):
        Length(concurency=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="; did you mean 'concurrency'"):
        Length(concurency=3)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"'rate_limit'; did you mean 'rate'\?"):  # Celery's
        Length(rate_limit="10/m")  # type: ignore[call-arg]
    with pytest.raises(
        TypeError, match=r"'autoretry_for'; did you mean retry=flowq\.Retry\(attempts=…, retry_on=…\)\?"
    ):
        Length(autoretry_for=(OSError,))  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"^node len got .* 'max_retry'; did you mean 'max_retries'\?"):
        parallel_batch_node(max_retry=3)(len)
    with pytest.raises(TypeError, match=r"'input_key'; did you mean 'items'\?"):  # Nadoo's
        MapNode(len, input_key="words")
    with pytest.raises(TypeError, match=r"'retry_jitter'; did you mean retry=flowq\.Retry\(attempts=…, jitter=…\)\?"):
        Length(retry_jitter=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match=r"'zzz'$"):
        parallel_batch_node(zzz=3)(len)
    with pytest.raises(ValidationError):
        Length(concurrency=0)
    with pytest.raises(ValueError, match="attempts"):
        Length(0)


def test_an_init_that_forgets_super_makes_a_whole_node() -> None:
    class Forgets(ParallelBatchNode[int, int]):
        def __init__(self, factor: int) -> None:
            self.factor = factor

        def exec(self, x: int) -> int:
            return x * self.factor

    assert Forgets(3).map([1, 2]) == [3, 6]


def test_the_result_is_typed_as_the_nodes() -> None:
    assert_type(Length().map(["a"]), BatchResult[int])
    assert_type(score.map([1]), BatchResult[float])
    assert Length().map(["a", "bb"]) == [1, 2]


async def test_a_function_is_a_node() -> None:
    assert score.map([1, 2, 3]) == [0.5, 1.0, 1.5]
    assert score(4) == 2.0  # type: ignore[operator]
    assert (score.name, score.__doc__) == ("score", "Halves.")
    assert isinstance(score, ParallelBatchNode)
    assert await score.map_async([2]) == [1.0]


def test_a_function_takes_the_nodes_options() -> None:
    result = row.map([0, 1, 2, 3])
    assert result == [0, 1, 2, None]
    assert result.label == "rows"
    assert [outcome.attempts for outcome in result.items] == [1, 2, 3, 3]


def test_labels_name_the_batch() -> None:
    assert Length().map([]).label == "Length"
    assert Length(name="n").map([]).label == "n"
    assert Length(name="n", label="l").map([]).label == "l"
    assert Length(label="l").map([], label="m").label == "m"


def test_an_items_key_may_be_a_function_or_a_method() -> None:
    class Keyed(Length):
        def key_of(self, text: str) -> str:
            return text.upper()

    assert Length(key=str.title).map(["ab"]).items[0].key == "Ab"
    assert Keyed().map(["ab"]).items[0].key == "AB"
    assert Length().map(["ab"]).items[0].key is None


def test_a_batch_node_is_data_like_any_node() -> None:
    node = Length(3, on_error="collect", concurrency=2)
    twin = build(spec_of(node))
    assert isinstance(twin, Length)
    assert twin.policy() == node.policy()


def test_a_local_batch_node_lives_in_a_flow() -> None:
    class Numbers(BatchNode[int, int]):
        def prep(self, shared: Any) -> Any:
            return shared["numbers"]

        def exec(self, x: int) -> int:
            return x + 1

        def post(self, shared: Any, prep_res: Any, exec_res: BatchResult[int]) -> str:
            shared["out"] = list(exec_res)
            return "next"

    class End(Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            shared["end"] = True

    start = Numbers()
    start - "next" >> End()
    shared: dict[str, Any] = {"numbers": [1, 2]}
    Flow(start).run(shared)
    assert shared == {"numbers": [1, 2], "out": [2, 3], "end": True}


@pytest.mark.parametrize(
    "options",
    [{}, {"concurrency": 2}, {"in_flight": 3}, {"rate": "1000/s"}, {"max_retries": 2}, {"timeout": 5.0}],
    ids=["one by one", "concurrency", "in_flight", "rate", "tries", "timeout"],
)
def test_an_item_whose_body_raises_stop_iteration_has_failed_with_that_however_it_runs(options: dict[str, Any]) -> None:
    class Exhausted(ParallelBatchNode):
        def exec(self, item: int) -> None:
            next(iter([]))

    result = Exhausted(on_error="collect", **options).map([1, 2])
    assert [type(error) for error in result.errors.values()] == [StopIteration] * 2
