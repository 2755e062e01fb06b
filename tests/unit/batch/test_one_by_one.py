"""Async items of a local batch, one after another in the loop that runs them."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

import pytest

from flowq import BatchError, BatchNode
from flowq.core import current_context
from flowq.errors import ItemCancelled


class Double(BatchNode[int, int]):
    async def exec(self, item: int) -> int:
        ctx = current_context()
        assert ctx is not None
        assert ctx.item_index == item
        return 2 * item


class Uneven(BatchNode[int, int]):
    async def exec(self, item: int) -> int:
        if item % 3 == 1 and self.cur_retry == 0:
            raise ValueError(f"item {item}")
        if item == 5:
            raise asyncio.CancelledError
        return item


class Slow(BatchNode[int, int]):
    async def exec(self, item: int) -> int:
        if item == 3:
            await asyncio.Event().wait()
        return item


async def generated(n: int) -> Any:
    for number in range(n):
        yield number


@pytest.mark.parametrize("n", [0, 1, 5000])
def test_values_come_in_item_order_from_whatever_gives_the_items(n: int) -> None:
    expected = [2 * number for number in range(n)]
    assert Double().map(range(n)) == expected
    assert Double().map(number for number in range(n)) == expected
    assert Double().map(generated(n)) == expected


def test_an_item_that_fails_is_tried_again_and_one_that_is_cancelled_has_failed() -> None:
    result = Uneven(max_retries=2, on_error="collect").map(range(9))
    assert [one.attempts for one in result.items if one.status == "ok"] == [1, 2, 1, 1, 2, 1, 2, 1]
    assert isinstance(result.errors[5], ItemCancelled)


def test_the_first_failure_ends_the_batch_and_what_was_done_is_kept() -> None:
    with pytest.raises(BatchError) as caught:
        Uneven().map(range(9))
    results = caught.value.results
    assert results[0] == 0
    assert [one.index for one in results.failed] == [1]
    assert len(results.cancelled) == 7


async def test_items_that_never_wait_leave_the_loop_its_turns() -> None:
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    await Double().map_async(range(100_000))
    ticking.cancel()
    with suppress(asyncio.CancelledError):
        await ticking
    assert turns > 5


async def test_a_deadline_and_a_cancel_end_it_while_an_item_waits() -> None:
    result = await Slow(deadline=0.05, on_error="collect").map_async(range(9))
    assert list(result)[:3] == [0, 1, 2]
    assert len(result.cancelled) == 6
    task = asyncio.create_task(Slow().map_async(range(9)))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
