"""``exec_many`` beside rates and caches, whose gate every item of a call passes by itself."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from flowq.batch import Breaker, ParallelBatchNode
from flowq.batch.policies.cache import Cache
from flowq.batch.policies.rate import Rate
from flowq.batch.running.runner import Runner

pytestmark = pytest.mark.usefixtures("inline")


class Doubles(ParallelBatchNode[int, int]):
    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.calls: list[list[int]] = []

    def key_of(self, item: int) -> str:
        return str(item)

    def exec_many(self, items: list[int]) -> list[int]:
        self.calls.append(list(items))
        return [item * 2 for item in items]


class DoublesLater(Doubles):
    async def exec_many(self, items: list[int]) -> list[int]:  # type: ignore[override]
        await asyncio.sleep(0)
        return Doubles.exec_many(self, items)


@pytest.mark.parametrize("kind", [Doubles, DoublesLater])
def test_what_the_cache_has_is_in_no_call(kind: type[Doubles]) -> None:
    node = kind(cache=Cache(60, name=f"test {kind.__name__}"), chunk_size=4)
    assert node.map(range(6)) == [0, 2, 4, 6, 8, 10]
    assert node.map(range(3, 9)) == [6, 8, 10, 12, 14, 16]
    assert node.calls == [[0, 1, 2, 3], [4, 5], [6], [7, 8]]


@pytest.mark.parametrize("kind", [Doubles, DoublesLater])
def test_every_item_of_a_call_takes_a_permit(kind: type[Doubles]) -> None:
    node = kind(rate=Rate(1000, burst=1), chunk_size=5)
    result = node.map(range(20))
    assert result == [2 * n for n in range(20)]
    assert [len(call) for call in node.calls] == [5, 5, 5, 5]
    assert result.seconds > 0.015


class Down(Doubles):
    """A service that is down for the first *down* calls."""

    def __init__(self, down: int, **options: Any) -> None:
        super().__init__(breaker=Breaker(failures=3, reset=RESET_S), on_error="collect", chunk_size=20, **options)
        self.down = down

    def exec_many(self, items: list[int]) -> list[int]:
        results = super().exec_many(items)
        if len(self.calls) <= self.down:
            raise ConnectionError("down")
        return results


class DownLater(Down):
    async def exec_many(self, items: list[int]) -> list[int]:  # type: ignore[override]
        await asyncio.sleep(0)
        return Down.exec_many(self, items)


RESET_S = 0.3


@pytest.mark.parametrize("kind", [Down, DownLater])
@pytest.mark.parametrize("options", [{}, {"in_flight": 20}, {"concurrency": 60}])
def test_an_open_circuit_is_probed_with_one_item_and_then_the_rest_goes_on_at_once(
    kind: type[Down], options: dict[str, Any]
) -> None:
    node = kind(1, **options)
    result = node.map(range(60))
    assert [len(call) for call in node.calls][:2] == [20, 1]
    assert sum(len(call) for call in node.calls) == 60
    assert len(result.failed) == 20
    assert RESET_S <= result.seconds < 3 * RESET_S, "where each item waits, it takes 20 times that"


@pytest.mark.parametrize("kind", [Down, DownLater])
@pytest.mark.parametrize("options", [{}, {"in_flight": 20}])
def test_items_that_are_tried_again_do_not_wait_one_after_the_other_for_a_probe(
    kind: type[Down], options: dict[str, Any]
) -> None:
    node = kind(2, max_retries=4, **options)
    result = node.map(range(20))
    assert result == [item * 2 for item in range(20)]
    assert [len(call) for call in node.calls] == [20, 1, 1, 19]
    assert sorted(item for call in node.calls[2:] for item in call) == list(range(20))
    assert 2 * RESET_S <= result.seconds < 4 * RESET_S


@pytest.mark.parametrize("kind", [Doubles, DoublesLater])
def test_an_items_key_is_its_own(kind: type[Doubles]) -> None:
    assert [outcome.key for outcome in kind().map([5, 6]).items] == ["5", "6"]


def test_every_call_has_its_own_time() -> None:
    class Spoiled(ParallelBatchNode[int, int]):
        def exec_many(self, items: list[int]) -> list[int]:
            if 2 in items:
                raise ValueError
            return items

    node = Spoiled(2, on_error="collect")
    began: list[int] = []
    Runner(node, node.policy()).run([1, 2, 3], 10, watch=began.append)
    assert began == [10, 10, 11, 12], "the last tries are made one by one"
