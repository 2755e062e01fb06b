"""Items and values that are large only together: each fits one message, all of them do not."""

from __future__ import annotations

import pytest

import flowq
from tests import nodes
from tests.nodes import Widened, WidenedTogether

N = 60  # times 2 MB: more than a message may hold


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("node", [Widened, WidenedTogether])
def test_values_that_do_not_fit_one_message_are_committed_in_several(node: type[Widened | WidenedTogether]) -> None:
    handle = node(chunk_size=N).submit(range(N))
    assert handle.result(timeout=30) == [bytes([number]) * 2_000_000 for number in range(N)]
    state = handle.state()
    assert (state.ok, state.losses, state.crashes) == (N, 0, 0)


@pytest.mark.usefixtures("cluster")
def test_items_that_do_not_fit_one_message_are_written_in_several() -> None:
    result: flowq.BatchResult[int] = nodes.Lengths().map([bytes([number]) * 2_000_000 for number in range(N)])
    assert result == [2_000_000] * N
