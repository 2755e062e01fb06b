"""Branches of which one leaves its process while another one fails in the same moment: its error is told."""

from __future__ import annotations

from typing import Any

import pytest

import flowq
from flowq.core.journey import Left


class Leaves(flowq.Node[Any, Any]):
    async def exec(self, prep_res: Any) -> Any:
        raise Left("event", ("event:one:0",), b"")


class Fails(flowq.Node[Any, Any]):
    async def exec(self, prep_res: Any) -> Any:
        raise TimeoutError("too late")


@pytest.mark.parametrize("leaves_last", [False, True])
async def test_an_error_counts_for_more(leaves_last: bool) -> None:
    branches = [Leaves(), Fails()]
    with pytest.raises(TimeoutError, match="too late"):
        await flowq.Flow(flowq.Parallel(*(branches[::-1] if leaves_last else branches))).run_async({})
