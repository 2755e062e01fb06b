"""A submitted flow in a thread of this process, in moments that the features' tests do not come by."""

from __future__ import annotations

import threading
from typing import Any

import pytest

import flowq

pytestmark = pytest.mark.usefixtures("inline")


def test_who_resumes_a_cancelled_run_while_its_last_node_ends_is_told_to_wait_for_that() -> None:
    begun, may_end = threading.Event(), threading.Event()

    class Ends(flowq.Node):
        def post(self, shared: Any, prep_res: Any, exec_res: Any) -> None:
            begun.set()
            assert may_end.wait(20)

    run = flowq.Flow(Ends()).submit({})
    assert begun.wait(20)
    run.cancel()
    with pytest.raises(flowq.FlowError, match=r"was cancelled, and the node that ran still does: run\.wait\(\) first"):
        run.resume()
    may_end.set()
    assert run.wait(20)
    assert run.resume().wait(20)
    assert run.status == "succeeded"
