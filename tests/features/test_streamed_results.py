"""An ``exec`` that yields its result bit by bit: read to its end, as a list or as what ``gather`` makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

import flowq
from tests.features import functions


def test_an_items_stream_becomes_a_list(executor: str) -> None:
    assert functions.Yields().map([0, 3]) == [[], [0, 1, 2]]
    result = functions.YieldsLater(2).map([2, 5])
    assert result == [[0, 1], [0, 1, 2, 3, 4]]
    assert [outcome.attempts for outcome in result.items] == [1, 2]


def test_a_stream_may_be_reduced_as_it_comes(executor: str) -> None:
    assert functions.Sums(2).map([4, 5]) == [6, 10]
    assert flowq.MapNode(functions.Sums(max_retries=2)).map([4, 5]) == [6, 10]


class Speaks(flowq.Node):
    async def exec(self, prep_res: Any) -> AsyncIterator[str]:  # type: ignore[override]
        for word in ("to", "be"):
            await asyncio.sleep(0)
            yield word

    def post(self, shared: Any, prep_res: Any, exec_res: list[str]) -> None:
        shared["said"] = exec_res


def test_a_plain_node_may_stream_as_well() -> None:
    shared: dict[str, Any] = {}
    flowq.Flow(start=Speaks()).run(shared)
    assert shared == {"said": ["to", "be"]}


async def test_a_stream_is_closed_when_its_time_is_over() -> None:
    closed: list[bool] = []

    class Endless(flowq.Node):
        async def exec(self, prep_res: Any) -> AsyncIterator[int]:  # type: ignore[override]
            try:
                while True:
                    yield 1
                    await asyncio.sleep(0.001)
            finally:
                closed.append(True)

    with pytest.raises(flowq.ItemTimeout):
        await Endless(timeout=0.05).run_async({})
    assert closed == [True]
