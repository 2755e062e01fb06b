"""Branches of which one leaves its process, to wait for an event, while another one fails: its error is told."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import flowq
from flowq.core.journey import Left


class Leaves(flowq.Node[Any, Any]):
    async def exec(self, prep_res: Any) -> Any:
        raise Left("event", "event:one:0", b"")


class Late(flowq.Node[Any, Any]):
    """Fails after so many turns of the event loop."""

    def __init__(self, turns: int) -> None:
        super().__init__()
        self.turns = turns

    async def exec(self, prep_res: Any) -> Any:
        for _ in range(self.turns):
            await asyncio.sleep(0)
        raise TimeoutError("too late")


class Hangs(flowq.Node[Any, Any]):
    async def exec(self, prep_res: Any) -> Any:
        await asyncio.Event().wait()


@pytest.mark.parametrize("turns", [0, 1, 20])
@pytest.mark.parametrize("leaves_last", [False, True])
async def test_an_error_of_about_the_same_moment_counts_for_more(turns: int, leaves_last: bool) -> None:
    branches = [Leaves(), Late(turns)]
    with pytest.raises(TimeoutError, match="too late"):
        await flowq.Flow(flowq.Parallel(*(branches[::-1] if leaves_last else branches))).run_async({})


async def test_a_branch_that_goes_on_and_on_is_not_waited_for() -> None:
    with pytest.raises(Left):
        await asyncio.wait_for(flowq.Flow(flowq.Parallel(Leaves(), Hangs())).run_async({}), 20)
